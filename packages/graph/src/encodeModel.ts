import type { Dims } from './dim.ts';
import { DTYPES, type DType } from './dtype.ts';
import type { Attribute, Graph, Node, Tensor, ValueType } from './graph.ts';
import { liveProgram, type Program } from './program.ts';
import { ProtoWriter } from './protoWriter.ts';
import { stagePrograms } from './stages.ts';

/** The ONNX operator set of the graphs; 18 is the minimum for ReduceMean with axes as an input. */
export const OPSET = 20;

/** The version of the ONNX file format that belongs to opset 20. */
export const IR_VERSION = 9;

/**
 * A domain of operators beside ONNX's own, and its version: an op `maestro.X` of a graph is the operator X of it. ONNX Runtime does not know
 * the types of their outputs, so the model says them.
 */
export const CUSTOM_DOMAIN = { name: 'maestro', version: 1 } as const;

const CUSTOM_PREFIX = `${CUSTOM_DOMAIN.name}.`;

/** AttributeProto.AttributeType of onnx.proto. */
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 } as const;

/**
 * Encodes the graph as an ONNX model, in chunks to be concatenated. Large constants are views of the arrays given to the graph, so nothing
 * large is copied. The bytes depend only on how the graph was built. Field numbers are those of onnx.proto; tensors are little-endian, as
 * on every machine that ONNX Runtime supports. `metadata` is stored in the file for people and tools; it does not affect results.
 */
export function encodeModelChunks(graph: Graph, metadata: Readonly<Record<string, string>> = {}): readonly Uint8Array[] {
  return encodeChunks(liveProgram(graph), metadata);
}

/** Encodes the graph as an ONNX model. See {@link encodeModelChunks} for writing a large one to a file. */
export function encodeModel(graph: Graph): Uint8Array {
  return joined(encodeModelChunks(graph));
}

/** Encodes the stages of a graph as an ONNX model each, undefined for a stage without nodes; see {@link stagePrograms}. */
export function encodeStages(graph: Graph, stages: readonly (readonly string[])[]): readonly (Uint8Array | undefined)[] {
  return stagePrograms(graph, stages).map((program) => (program.nodes.length === 0 ? undefined : joined(encodeChunks(program, {}))));
}

function encodeChunks(program: Program, metadata: Readonly<Record<string, string>>): readonly Uint8Array[] {
  const writer = new ProtoWriter()
    .int(1, IR_VERSION)
    .string(2, 'maestro')
    .message(7, (writer) => writeGraph(writer, program))
    .message(8, (writer) => writer.string(1, '').int(2, OPSET));
  if (program.nodes.some(isCustom)) writer.message(8, (inner) => inner.string(1, CUSTOM_DOMAIN.name).int(2, CUSTOM_DOMAIN.version));
  for (const [key, value] of Object.entries(metadata)) writer.message(14, (entry) => entry.string(1, key).string(2, value));
  return writer.chunks();
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const model = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    model.set(chunk, at);
    at += chunk.length;
  }
  return model;
}

function writeGraph(writer: ProtoWriter, { name, inputs, constants, nodes, outputs, nameOf }: Program): void {
  for (const node of nodes) writer.message(1, (inner) => writeNode(inner, node, nameOf));
  writer.string(2, name);
  for (const constant of constants) writer.message(5, (inner) => writeConstant(inner, constant));
  for (const input of inputs) writer.message(11, (inner) => writeValueInfo(inner, nameOf(input), input));
  for (const output of nodes.filter(isCustom).flatMap((node) => node.outputs)) {
    if (!outputs.includes(output)) writer.message(13, (inner) => writeValueInfo(inner, nameOf(output), output));
  }
  for (const output of outputs) writer.message(12, (inner) => writeValueInfo(inner, nameOf(output), output));
}

function isCustom({ op }: Node): boolean {
  return op.startsWith(CUSTOM_PREFIX);
}

function writeNode(writer: ProtoWriter, node: Node, nameOf: Program['nameOf']): void {
  const { op, name, inputs, outputs, attributes } = node;
  for (const input of inputs) writer.string(1, nameOf(input));
  for (const output of outputs) writer.string(2, nameOf(output));
  writer.string(3, name).string(4, isCustom(node) ? op.slice(CUSTOM_PREFIX.length) : op);
  if (isCustom(node)) writer.string(7, CUSTOM_DOMAIN.name);
  for (const [key, value] of Object.entries(attributes)) {
    writer.message(5, (inner) => writeAttribute(inner.string(1, key), value));
  }
}

function writeAttribute(writer: ProtoWriter, value: Attribute): void {
  if (typeof value === 'number') writer.int(3, value).int(20, ATTRIBUTE_TYPE.int);
  else if (typeof value === 'string') writer.string(4, value).int(20, ATTRIBUTE_TYPE.string);
  else if ('float' in value) writer.float(2, value.float).int(20, ATTRIBUTE_TYPE.float);
  else {
    for (const item of value) writer.int(8, item);
    writer.int(20, ATTRIBUTE_TYPE.ints);
  }
}

function writeConstant(writer: ProtoWriter, { name, dtype, dims, data }: Tensor): void {
  for (const dim of dims) writer.int(1, dim as number);
  writer.int(2, DTYPES[dtype].onnx).string(8, name);
  writer.bytes(9, new Uint8Array(data!.buffer, data!.byteOffset, data!.byteLength));
}

function writeValueInfo(writer: ProtoWriter, name: string, { dtype, dims, sequence }: ValueType): void {
  writer.string(1, name).message(2, (type) => {
    if (sequence) type.message(4, (inner) => inner.message(1, (element) => writeTensorType(element, dtype)));
    else writeTensorType(type, dtype, dims);
  });
}

function writeTensorType(writer: ProtoWriter, dtype: DType, dims?: Dims): void {
  writer.message(1, (tensor) => {
    tensor.int(1, DTYPES[dtype].onnx);
    if (dims === undefined) return;
    tensor.message(2, (shape) => {
      for (const dim of dims) shape.message(1, (inner) => (typeof dim === 'number' ? inner.int(1, dim) : inner.string(2, dim)));
    });
  });
}
