import { GraphError } from './graphError.ts';

/**
 * One dimension: a number, or a product of at most one number and symbols, such as `'N'`, `'49*N'` or `'N*L'`. Products have a canonical
 * spelling (number first, symbols sorted), so equal dimensions are equal strings.
 */
export type Dim = number | string;

/** A shape; `[]` is a scalar. */
export type Dims = readonly Dim[];

interface Monomial {
  readonly coefficient: number;
  readonly symbols: readonly string[];
}

const ONE: Monomial = { coefficient: 1, symbols: [] };

function parse(dim: Dim): Monomial {
  if (typeof dim === 'number') {
    if (!Number.isSafeInteger(dim) || dim < 0) throw new GraphError(`dimension ${dim} is not a whole number of at least 0`);
    return { coefficient: dim, symbols: [] };
  }
  let coefficient = 1;
  const symbols: string[] = [];
  for (const part of dim.split('*')) {
    const factor = part.trim();
    if (/^\d+$/.test(factor)) coefficient *= Number(factor);
    else if (/^[A-Za-z_]\w*$/.test(factor)) symbols.push(factor);
    else throw new GraphError(`dimension '${dim}' is not a product of numbers and names such as '49*N'`);
  }
  return { coefficient, symbols: symbols.sort() };
}

function format({ coefficient, symbols }: Monomial): Dim {
  if (symbols.length === 0 || coefficient === 0) return coefficient;
  return coefficient === 1 ? symbols.join('*') : `${coefficient}*${symbols.join('*')}`;
}

function multiply(a: Monomial, b: Monomial): Monomial {
  return {
    coefficient: a.coefficient * b.coefficient,
    symbols: [...a.symbols, ...b.symbols].sort(),
  };
}

/** Returns the canonical spelling of a shape. @throws GraphError for anything that is not a dimension. */
export function canonicalDims(dims: Dims): Dims {
  return dims.map((dim) => (typeof dim === 'number' && Number.isSafeInteger(dim) && dim >= 0 ? dim : format(parse(dim))));
}

/** Returns the symbols of a dimension, with repetition, and its number. */
export function dimFactors(dim: Dim): {
  readonly coefficient: number;
  readonly symbols: readonly string[];
} {
  return parse(dim);
}

/** Returns the product of dimensions: the element count of a shape, or a flattened axis such as `'49*N'`. */
export function dimProduct(...dims: Dims): Dim {
  return format(dims.reduce<Monomial>((product, dim) => multiply(product, parse(dim)), ONE));
}

/** Returns the dimension that multiplied by `divisor` gives `dividend`; undefined when there is none. */
export function dimQuotient(dividend: Dim, divisor: Dim): Dim | undefined {
  const above = parse(dividend);
  const below = parse(divisor);
  if (below.coefficient === 0 || above.coefficient % below.coefficient !== 0) return undefined;
  const symbols = [...above.symbols];
  for (const symbol of below.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return undefined;
    symbols.splice(at, 1);
  }
  return format({
    coefficient: above.coefficient / below.coefficient,
    symbols,
  });
}

/** True when two canonical shapes are equal. */
export function sameDims(a: Dims, b: Dims): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** Returns the shape of numpy broadcasting. @throws GraphError when two dimensions differ and neither is 1. */
export function broadcastDims(...shapes: readonly Dims[]): Dims {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let result: Dim = 1;
    for (const shape of shapes) {
      const dim = shape[axis - rank + shape.length] ?? 1;
      if (dim === 1 || dim === result) continue;
      if (result !== 1) throw new GraphError(`shapes ${shapes.map(formatDims).join(' and ')} do not broadcast (${result} against ${dim})`);
      result = dim;
    }
    return result;
  });
}

/** Returns the axis counted from 0, for an axis that may count from the end. @throws GraphError when it is outside the rank. */
export function normalAxis(axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normal < 0 || normal >= rank) throw new GraphError(`axis ${axis} is outside a shape of rank ${rank}`);
  return normal;
}

/** Returns the dimension as a number. @throws GraphError when it is symbolic; `what` names the caller that needs it. */
export function staticDim(dim: Dim | undefined, what: string): number {
  if (typeof dim !== 'number') throw new GraphError(`${what} needs a size that is a number, found '${dim}'`);
  return dim;
}

/** Formats a shape: `[N,49,192]`. */
export function formatDims(dims: Dims): string {
  return `[${dims.join(',')}]`;
}
