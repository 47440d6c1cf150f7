import { formatDims } from './dim.ts';
import type { Attribute, Graph, Tensor, ValueType } from './graph.ts';
import { liveProgram } from './program.ts';

/** Constants of at most this many elements are printed where they are used. */
const INLINE_LENGTH = 8;

/**
 * Prints the graph as text, one line per value, without parts that no output needs: for people and for snapshot tests. `hidden = Gemm(x,
 * fc1.weight, fc1.bias, transB=1)  float32[N,8]`
 */
export function printGraph(graph: Graph): string {
  const { name, inputs, constants, nodes, outputs, nameOf } = liveProgram(graph);
  const reference = (value: Tensor): string =>
    value.data !== undefined && value.data.length <= INLINE_LENGTH ? formatValues(value) : nameOf(value);
  const lines = [`graph ${name}`];
  for (const input of inputs) lines.push(`  input ${input.name}  ${formatType(input)}`);
  for (const constant of constants) {
    if (constant.data!.length > INLINE_LENGTH) lines.push(`  const ${constant.name}  ${formatType(constant)}`);
  }
  for (const node of nodes) {
    const operands = node.inputs.map(reference);
    const attributes = Object.entries(node.attributes).map(([key, value]) => `${key}=${formatAttribute(value)}`);
    const results = node.outputs.map(nameOf).join(', ');
    lines.push(`  ${results} = ${node.op}(${[...operands, ...attributes].join(', ')})  ${node.outputs.map(formatType).join(', ')}`);
  }
  for (const output of outputs) lines.push(`  output ${nameOf(output)}  ${formatType(output)}`);
  return `${lines.join('\n')}\n`;
}

const formatType = ({ dtype, dims, sequence }: ValueType): string => (sequence ? `sequence of ${dtype}` : `${dtype}${formatDims(dims)}`);

function formatValues({ data, dims, dtype }: Tensor): string {
  const values = Array.from(data as ArrayLike<number | bigint>, (value) =>
    dtype === 'float32' ? shortest(value as number) : String(value),
  );
  return dims.length === 0 ? values[0]! : `[${values.join(' ')}]`;
}

/** Returns the shortest decimal that rounds to the float32 `value`; nine digits always suffice. */
function shortest(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === value) return String(decimal);
  }
  return String(value);
}

function formatAttribute(value: Attribute): string {
  if (typeof value === 'object') return 'float' in value ? shortest(Math.fround(value.float)) : `[${value.join(' ')}]`;
  return String(value);
}
