import { rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { checkpointRoot } from '@maestro/checkpoint';
import { MaestroError } from '@maestro/protocol';
import { createFaults } from '../process/faults.ts';
import { serveShards } from '../state/shardTransfer.ts';
import { openViewStage, type StagedMember, type ViewStage, type ViewStageOptions } from '../testing/viewStage.ts';

let stages: ViewStage[] = [];
const open = async (options?: ViewStageOptions): Promise<ViewStage> => {
  const stage = await openViewStage(options);
  stages.push(stage);
  return stage;
};
afterEach(async () => {
  for (const stage of stages) await stage.close();
  stages = [];
});

const asked = (): MaestroError => new MaestroError('cancelled', 'on purpose', { details: { isAsked: true } });
const checkpointOf = ({ dataDir }: ViewStage, step: number): string =>
  join(checkpointRoot({ dataDir, jobId: 'job-1', location: undefined }), `step-${String(step).padStart(8, '0')}`);

const known = new Map<string, string>();

/** The hash that one member alone ends with, whatever happens to others. */
async function undisturbed(options: ViewStageOptions = {}): Promise<string> {
  const { sync, steps } = options;
  const key = JSON.stringify({ sync, steps });
  if (!known.has(key)) {
    const stage = await open(options);
    const member = await stage.open('alone');
    expect(await stage.runAll([member], stage.view(1, [member]))).toEqual(['finished']);
    known.set(key, member.checkpoints.at(-1)!.hash);
  }
  return known.get(key)!;
}

test('two members come to the same state from the seed, train to the end, and the first writes the checkpoint', async () => {
  const expected = await undisturbed();
  const stage = await open();
  const [a, b] = (await Promise.all([stage.open('a'), stage.open('b')])) as [StagedMember, StagedMember];
  const view = stage.view(1, [a, b]);
  const runs = [stage.run(a, view), stage.run(b, view)];
  const [hashOfA, hashOfB] = await Promise.all(runs.map(({ formed }) => formed));
  expect(hashOfA).toMatch(/^[0-9a-f]{64}$/);
  expect(hashOfB).toBe(hashOfA);
  // Nobody begins before all have formed.
  expect(runs.map(({ phases }) => phases)).toEqual([['forming'], ['forming']]);
  for (const { start } of runs) start();
  expect(await Promise.all(runs.map(({ end }) => end))).toEqual(['finished', 'finished']);
  expect([a.session.state, b.session.state]).toEqual([4, 4]);
  expect(runs[0]!.reports.map(({ step, generation }) => [step, generation])).toEqual([1, 2, 3, 4].map((step) => [step, 1]));
  expect(runs[1]!.reports.map(({ metrics }) => metrics)).toEqual(runs[0]!.reports.map(({ metrics }) => metrics));
  expect(a.checkpoints).toEqual([{ step: 4, hash: expected }]);
  expect(b.checkpoints).toEqual([]);
  const step = ['lease', 'data', 'compute', 'data', 'compute', 'reduce', 'apply'];
  expect(runs[1]!.phases).toEqual(['forming', ...step, ...step, ...step, ...step]);
});

test('a hold ends all members with the same step; one that joins is healed while others compute, to the bits of one alone', async () => {
  const expected = await undisturbed();
  const stage = await open();
  const [a, b] = (await Promise.all([stage.open('a'), stage.open('b')])) as [StagedMember, StagedMember];
  const first = stage.view(1, [a]);
  const run = stage.run(a, first);
  run.start();
  run.hold(2);
  expect(await run.end).toBe('held');
  expect(a.session.state).toBe(2);
  const second = stage.view(2, [a, b], { startStep: 2, sources: [a] });
  const runs = [stage.run(a, second), stage.run(b, second)];
  expect(await Promise.all(runs.map(({ formed }) => formed))).toEqual(['', '']);
  for (const { start } of runs) start();
  // One of two asks, and both end.
  runs[1]!.hold(3);
  expect(await Promise.all(runs.map(({ end }) => end))).toEqual(['held', 'held']);
  expect([a.session.state, b.session.state]).toEqual([3, 3]);
  expect(runs[1]!.phases.slice(0, 3)).toEqual(['forming', 'heal', 'lease']);
  expect(runs[0]!.phases).not.toContain('heal');
  // The one that was healed goes on by itself.
  await a.close();
  expect(await stage.runAll([b], stage.view(3, [b], { startStep: 3, sources: [b] }))).toEqual(['finished']);
  expect(b.checkpoints).toEqual([{ step: 4, hash: expected }]);
});

test('a view that is given up ends with the reason, leaves the state as it was, and its peers are told', async () => {
  const expected = await undisturbed();
  const stage = await open();
  const [a, b] = (await Promise.all([stage.open('a'), stage.open('b')])) as [StagedMember, StagedMember];
  const first = stage.view(1, [a, b]);
  const waiting = [stage.run(a, first), stage.run(b, first)];
  await Promise.all(waiting.map(({ formed }) => formed));
  const reason = asked();
  waiting[0]!.abort(reason);
  expect(await waiting[0]!.end).toBe(reason);
  waiting[1]!.start();
  expect(await waiting[1]!.end).toMatchObject({ name: 'MaestroError', details: expect.anything() });
  expect([a.session.state, b.session.state]).toEqual([0, 0]);
  // In the middle of a step: the step is computed again, to the same bits.
  const second = stage.view(2, [a, b], { sources: [a, b] });
  const runs = [
    stage.run(a, second, { onPhase: (step, phase) => void (step === 2 && phase === 'compute' && runs[0]!.abort(reason)) }),
    stage.run(b, second),
  ];
  for (const { start } of runs) start();
  const ends = await Promise.all(runs.map(({ end }) => end));
  expect(ends[0]).toBe(reason);
  expect(ends[1]).toBeInstanceOf(Error);
  expect([a.session.state, b.session.state]).toEqual([2, 2]);
  expect(await stage.runAll([a, b], stage.view(3, [a, b], { startStep: 2, sources: [a, b] }))).toEqual(['finished', 'finished']);
  expect(a.checkpoints).toEqual([{ step: 4, hash: expected }]);
});

test('a peer whose process is gone ends the view with its name, and the others go on', async () => {
  const expected = await undisturbed();
  const stage = await open();
  const [a, b] = (await Promise.all([stage.open('a'), stage.open('b')])) as [StagedMember, StagedMember];
  const first = stage.view(1, [a, b]);
  const runs = [
    stage.run(a, first),
    stage.run(b, first, { onPhase: (step, phase) => void (step === 1 && phase === 'reduce' && b.collective.close()) }),
  ];
  for (const { start } of runs) start();
  expect(await runs[0]!.end).toMatchObject({ code: 'peer-lost' });
  await runs[1]!.end;
  expect(a.session.state).toBe(1);
  expect(await stage.runAll([a], stage.view(2, [a], { startStep: 1, sources: [a] }))).toEqual(['finished']);
  expect(a.checkpoints).toEqual([{ step: 4, hash: expected }]);
});

test('members restore from a checkpoint to the bits of an unbroken run; a damaged one, or one of another step, ends the view', async () => {
  const expected = await undisturbed();
  const stage = await open({ checkpoint: { everySteps: 2 } });
  const first = await stage.open('a');
  const run = stage.run(first, stage.view(1, [first]));
  run.start();
  run.hold(3);
  expect(await run.end).toBe('held');
  await first.session.checkpointer.idle();
  const [checkpoint] = first.checkpoints;
  expect(checkpoint).toMatchObject({ step: 2 });
  await first.close();

  const [a, b] = (await Promise.all([stage.open('a'), stage.open('b')])) as [StagedMember, StagedMember];
  const restoreFrom = checkpointOf(stage, 2);
  const wrong = await stage.runAll([a], stage.view(2, [a], { startStep: 3, restoreFrom }));
  expect(wrong).toMatchObject([{ code: 'checkpoint-invalid', message: expect.stringContaining('after step 3, found step 2') }]);
  const view = stage.view(3, [a, b], { startStep: 2, restoreFrom });
  const runs = [stage.run(a, view), stage.run(b, view)];
  expect(await Promise.all(runs.map(({ formed }) => formed))).toEqual([checkpoint!.hash, checkpoint!.hash]);
  for (const { start } of runs) start();
  expect(await Promise.all(runs.map(({ end }) => end))).toEqual(['finished', 'finished']);
  expect(a.checkpoints.at(-1)).toEqual({ step: 4, hash: expected });
  expect(a.session.state).toBe(4);

  await truncate(join(restoreFrom, 'model.safetensors'), 1000);
  const damaged = await stage.runAll([b], stage.view(4, [b], { startStep: 2, restoreFrom }));
  expect(damaged).toMatchObject([{ code: 'checkpoint-invalid', message: expect.stringContaining('model.safetensors') }]);
  await rm(restoreFrom, { recursive: true });
  expect(await stage.runAll([b], stage.view(5, [b], { startStep: 2, restoreFrom }))).toMatchObject([{ name: 'MaestroError' }]);
});

test('members that share the moments hand their parts to the next view, and end with the bits of one that has all', async () => {
  const expected = await undisturbed();
  const stage = await open({ optimizer: { state: 'sharded' } });
  const [a, b, c] = (await Promise.all(['a', 'b', 'c'].map((name) => stage.open(name)))) as [StagedMember, StagedMember, StagedMember];
  const first = stage.view(1, [a, b]);
  const runs = [stage.run(a, first), stage.run(b, first)];
  for (const { start } of runs) start();
  runs[0]!.hold(2, true);
  expect(await Promise.all(runs.map(({ end }) => end))).toEqual(['held', 'held']);
  await a.session.checkpointer.idle();
  expect(a.checkpoints).toMatchObject([{ step: 2 }]);
  expect([a, b].map(({ session }) => session.shards[0])).toMatchObject([
    { step: 2, isWhole: true },
    { step: 2, isWhole: true },
  ]);
  const second = stage.view(2, [a, c], { startStep: 2, holders: [a, b], sources: [a, b] });
  // The second is no member any more, and serves its part.
  const stop = serveShards({ ...b, view: second, self: 'b', faults: createFaults(undefined) });
  const next = [stage.run(a, second), stage.run(c, second)];
  for (const { start } of next) start();
  expect(await Promise.all(next.map(({ end }) => end))).toEqual(['finished', 'finished']);
  stop();
  expect(next[1]!.phases).toContain('heal');
  expect(a.checkpoints.at(-1)).toEqual({ step: 4, hash: expected });
});

test('replicas that train apart end a view with a round and its checkpoint, which the next view starts from', async () => {
  const options = { sync: { mode: 'diloco', replicas: 2, innerSteps: 2 }, steps: 6 };
  const expected = await undisturbed(options);
  const stage = await open(options);
  const [a, b] = (await Promise.all([stage.open('a'), stage.open('b')])) as [StagedMember, StagedMember];
  const view = stage.view(1, [a, b]);
  const runs = [stage.run(a, view), stage.run(b, view)];
  for (const { start } of runs) start();
  // Asked for within a round, granted at its end.
  runs[1]!.hold(3);
  expect(await Promise.all(runs.map(({ end }) => end))).toEqual(['held', 'held']);
  expect(runs[0]!.reports.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  expect([a.session.state, b.session.state]).toEqual([-1, -1]);
  expect(a.checkpoints).toMatchObject([{ step: 4 }]);
  const next = stage.view(2, [b], { startStep: 4, restoreFrom: checkpointOf(stage, 4) });
  expect(await stage.runAll([b], next)).toEqual(['finished']);
  expect(b.checkpoints).toEqual([{ step: 6, hash: expected }]);
});
