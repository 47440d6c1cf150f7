import { expect, test } from '@jest/globals';
import { SELF_TEST_LENGTH, selfTestModel } from '../devices/selfTestModel.ts';
import { floatTensor, openSession } from '../session.ts';
import { bindOutputs, chooseOutputPath, runInPlace } from './outputPath.ts';

const cpu = { threads: 1, device: 'cpu' } as const;

test('the self-test finds that this build of ONNX Runtime writes outputs in place', async () => {
  expect(await chooseOutputPath(cpu)).toEqual({ path: 'in-place', reason: 'the self-test passed' });
});

test('an output that was not written is noticed, and so is a run that is fulfilled or fails otherwise', async () => {
  const session = await openSession('self-test model', selfTestModel(), cpu);
  const x = floatTensor(new Float32Array(SELF_TEST_LENGTH).fill(1), [SELF_TEST_LENGTH]);
  const loss = new Float32Array(1);
  const binding = bindOutputs('status', {
    loss: floatTensor(loss, []),
    doubled: floatTensor(new Float32Array(SELF_TEST_LENGTH), [SELF_TEST_LENGTH]),
  });
  await runInPlace(session, { x }, binding);
  expect(loss[0]).toBe(16);

  const { status: _, ...withoutSequence } = binding.fetches;
  await expect(runInPlace(session, { x }, { ...binding, fetches: withoutSequence })).rejects.toThrow(
    'found nothing: the run was fulfilled',
  );
  const elsewhere = { ...binding.fetches, doubled: floatTensor(new Float32Array(SELF_TEST_LENGTH), [SELF_TEST_LENGTH]) };
  await expect(runInPlace(session, { x }, { ...binding, fetches: elsewhere })).rejects.toThrow('doubled was not written');
  const short = floatTensor(new Float32Array(3), [3]);
  await expect(runInPlace(session, { x: short }, binding)).rejects.toThrow('in-place outputs: the run should reject with');
  await session.release();
});
