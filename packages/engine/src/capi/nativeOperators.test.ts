import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { encodeModel, Graph, type Tensor } from '@maestro/graph';
import { NATIVE_OPERATORS, type NativeLibrary, type NativeOperator, prepareNative } from '@maestro/native';
import { formulaInputs, type OperatorShape } from '@maestro/native/testing';
import { openCapi } from './openCapi.ts';
import type { OrtApi } from './ortApi.ts';
import { openOrtSession } from './ortSession.ts';
import { openMemory } from './ortValue.ts';

/** Attention is the same in both; products are cut by rows in one, by columns in the other. */
const TALL: OperatorShape = { R: 409, K: 137, N: 203, batch: 5, tokens: 43, heads: 3, from: 1, head: 21 };
const WIDE: OperatorShape = { ...TALL, R: 137, K: 449, N: 417 };
const onLibrary = (await prepareNative()) === undefined ? describe.skip : describe;

let library: NativeLibrary;
let api: OrtApi;

beforeAll(async () => {
  library = (await prepareNative())!;
  api = await openCapi({ threads: 1, device: 'cpu' });
});

/** A model of one operator, with its inputs and outputs in float32: casts stand where it has bfloat16. */
function modelOf(operator: NativeOperator, inputs: readonly (readonly number[])[], outputs: readonly (readonly number[])[]): Uint8Array {
  const graph = new Graph(operator.name);
  const cast = (tensor: Tensor, dtype: 'float32' | 'bfloat16', to: number): Tensor =>
    graph.addNode('Cast', [tensor], { to }, [{ dtype, dims: tensor.dims }])[0]!;
  const given = operator.inputs.map((port, i) => {
    const tensor = graph.input(port.split(':')[0]!, 'float32', inputs[i]!);
    return port.endsWith(':b') ? cast(tensor, 'bfloat16', 16) : tensor;
  });
  const attributes = operator.attributes.includes('tokens') ? { tokens: TALL.tokens, heads: TALL.heads, from: TALL.from } : {};
  const types = operator.outputs.map((port, i) => ({
    dtype: port.endsWith(':b') ? ('bfloat16' as const) : ('float32' as const),
    dims: outputs[i]!,
  }));
  graph.addNode(`maestro.${operator.name}`, given, attributes, types).forEach((output, i) => {
    graph.output(`out.${i}`, output.dtype === 'bfloat16' ? cast(output, 'float32', 1) : output);
  });
  return encodeModel(graph);
}

const widened = (data: Float32Array | Uint16Array): Float32Array =>
  data instanceof Uint16Array ? new Float32Array(Uint32Array.from(data, (word) => word << 16).buffer) : data;

onLibrary('operators of the native library in ONNX Runtime', () => {
  const memories: { close(): void }[] = [];
  afterAll(() => {
    for (const memory of memories) memory.close();
  });

  const cases = NATIVE_OPERATORS.flatMap((operator) =>
    [TALL, WIDE].map((shape) => ({ name: operator.name, rows: shape.R, operator, shape })),
  );

  test.each(cases)('$name of $rows rows has the bits of a plain call with 1, 2, 3 and 4 threads', ({ operator, shape }) => {
    const { inputs, attributes } = formulaInputs(operator, shape);
    const expected = library.run(operator.name, inputs, attributes);
    const model = modelOf(
      operator,
      inputs.map(({ dims }) => dims),
      expected.map(({ dims }) => dims),
    );
    for (const threads of [1, 2, 3, 4]) {
      const memory = openMemory(api);
      memories.push(memory);
      const session = openOrtSession(api, model, { threads, device: 'cpu', operators: library.path });
      const binding = session.bind();
      operator.inputs.forEach((port, i) => {
        binding.input(port.split(':')[0]!, memory.over(widened(inputs[i]!.data), inputs[i]!.dims));
      });
      const outputs = expected.map(({ dims, data }) => ({ dims, data: new Float32Array(data.length) }));
      outputs.forEach(({ data, dims }, i) => {
        binding.output(`out.${i}`, memory.over(data, dims));
      });
      binding.run();
      binding.close();
      session.close();
      outputs.forEach(({ data }, i) => {
        expect(Buffer.compare(Buffer.from(data.buffer), Buffer.from(widened(expected[i]!.data).buffer))).toBe(0);
      });
    }
  });

  test('a shape that does not fit is an error of the run that names the operator and the shapes', () => {
    const operator = NATIVE_OPERATORS.find(({ name }) => name === 'LinearF32')!;
    const memory = openMemory(api);
    memories.push(memory);
    const session = openOrtSession(api, modelOf(operator, [[2, 3], [4, 3], [5]], [[2, 4]]), {
      threads: 1,
      device: 'cpu',
      operators: library.path,
    });
    const binding = session.bind();
    for (const { name, shape } of session.inputMetadata) {
      binding.input(name, memory.over(new Float32Array(shape.reduce((product, dim) => product * dim, 1)), shape));
    }
    binding.output('out.0', memory.over(new Float32Array(8), [2, 4]));
    expect(() => binding.run()).toThrow('LinearF32: bias must be [N]; found [2,3], [4,3], [5]');
    binding.close();
    session.close();
  });
});
