import { Moment, typeName, type Value } from './value.ts';

/** Returns -1, 0 or 1; throws for types that do not compare, as Go does. */
function order(name: string, a: Value, b: Value): number {
  if (a instanceof Moment || b instanceof Moment || typeof a === 'object' || typeof b === 'object')
    throw new Error(`${name}: invalid type for comparison`);
  if (typeof a !== typeof b) throw new Error(`${name}: incompatible types for comparison (${typeName(a)} and ${typeName(b)})`);
  if (typeof a === 'boolean' && name !== 'eq' && name !== 'ne') throw new Error(`${name}: invalid type for comparison`);
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Comparisons of Go's templates: name, minimum operands, function. `eq` compares the first operand with each of the others. */
export const comparisons: readonly (readonly [name: string, least: number, apply: (operands: readonly Value[]) => boolean])[] = [
  ['eq', 2, ([first, ...others]) => others.some((other) => order('eq', first!, other) === 0)],
  ['ne', 2, ([a, b]) => order('ne', a!, b!) !== 0],
  ['lt', 2, ([a, b]) => order('lt', a!, b!) < 0],
  ['le', 2, ([a, b]) => order('le', a!, b!) <= 0],
  ['gt', 2, ([a, b]) => order('gt', a!, b!) > 0],
  ['ge', 2, ([a, b]) => order('ge', a!, b!) >= 0],
];
