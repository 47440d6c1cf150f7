import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SELF_TEST_LENGTH, selfTestModel } from '../devices/selfTestModel.ts';
import { openCapi } from './openCapi.ts';
import type { OrtApi } from './ortApi.ts';
import { type OrtSession, openOrtSession } from './ortSession.ts';
import { type OrtMemory, openMemory } from './ortValue.ts';

const cpu = { threads: 1, device: 'cpu' } as const;
let api: OrtApi;
let memory: OrtMemory;
let session: OrtSession;

beforeAll(async () => {
  api = await openCapi(cpu);
  memory = openMemory(api);
  session = openOrtSession(api, selfTestModel(), cpu);
});

afterAll(() => {
  memory.close();
  session.close();
});

const vector = (length: number) => memory.over(new Float32Array(new SharedArrayBuffer(4 * length)), [length]);

test('the self-test passes on the library that onnxruntime-node ships, and a session tells its ports', () => {
  expect(session.inputMetadata).toEqual([{ name: 'x', isTensor: true, element: 1, shape: [SELF_TEST_LENGTH] }]);
  expect(session.outputNames).toEqual(['status', 'loss', 'doubled']);
  expect(session.outputMetadata[0]).toMatchObject({ isTensor: false });
});

test('shared memory is read and written in place, in every run anew', () => {
  const binding = session.bind();
  const [x, doubled] = [vector(SELF_TEST_LENGTH), vector(SELF_TEST_LENGTH)];
  binding.input('x', x);
  binding.output('doubled', doubled);
  for (const value of [1, -3]) {
    (x.view as Float32Array).fill(value);
    binding.run();
    expect([...(doubled.view as Float32Array)]).toEqual(Array(SELF_TEST_LENGTH).fill(2 * value));
  }
  binding.close();
});

test('a tensor that the session allocated is the input of the next run', () => {
  const binding = session.bind();
  const between = session.allocate([SELF_TEST_LENGTH]);
  const [x, doubled] = [vector(SELF_TEST_LENGTH), vector(SELF_TEST_LENGTH)];
  (x.view as Float32Array).fill(5);
  binding.input('x', x);
  binding.output('doubled', between);
  binding.run();
  binding.input('x', between);
  binding.output('doubled', doubled);
  binding.run();
  expect([...(doubled.view as Float32Array)]).toEqual(Array(SELF_TEST_LENGTH).fill(20));
  binding.close();
});

test('names and shapes that the graph does not have are refused, and the binding goes on working', () => {
  const binding = session.bind();
  const x = vector(SELF_TEST_LENGTH);
  expect(() => binding.input('y', x)).toThrow('capi: the graph has no input y');
  expect(() => binding.input('x', vector(3))).toThrow(`capi: input x is [${SELF_TEST_LENGTH}] of type 1, not float32 [3]`);
  expect(() => binding.output('loss', x)).toThrow('capi: output loss is [] of type 1');
  expect(() => memory.over(new Float32Array(3), [4])).toThrow('[4] has 4 elements, the view 3');
  expect(() => binding.run()).toThrow('input x is not bound');
  const loss = memory.over(new Float32Array(1), []);
  binding.input('x', x);
  binding.output('loss', loss);
  binding.run();
  expect((loss.view as Float32Array)[0]).toBe(0);
  binding.close();
});

test('what is no model is refused with the words of ONNX Runtime', () => {
  expect(() => openOrtSession(api, Uint8Array.of(1, 2, 3), cpu)).toThrow(/protobuf|ModelProto/i);
});
