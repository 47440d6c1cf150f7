import { expect, test } from '@jest/globals';
import type { JobRun } from '../run/state/runState.ts';
import { followRecovery, type Recovery } from './recovery.ts';

const run = (status: string | undefined, lastCommitMs = 0, phase = 'running') =>
  ({ phase, lastCommitMs, ...(status !== undefined && { view: { status } }) }) as unknown as JobRun;

function play(runs: readonly (readonly [atMs: number, run: JobRun])[]) {
  let recovery: Recovery | undefined;
  const ended: string[] = [];
  for (let i = 1; i < runs.length; i++) {
    const next = followRecovery(recovery, runs[i - 1]![1], runs[i]![1], runs[i]![0]);
    recovery = next.recovery;
    if (next.ended !== undefined) ended.push(`${next.ended.phase} ${next.ended.seconds}`);
  }
  return ended;
}

test('a recovery is told by its parts, to the first step of the new view', () => {
  const broken = [run('forming'), run('working'), run('holding'), run('forming'), run('working'), run('working', 9000)] as const;
  expect(play(broken.map((each, i) => [i * 1000, each]))).toEqual(['hold 1', 'form 1', 'resume 1']);
});

test('a view that breaks while it forms is held again', () => {
  const twice = [run('working'), run(undefined), run('forming'), run('holding'), run('forming'), run('working'), run('working', 9000)];
  expect(play(twice.map((each, i) => [i * 1000, each]))).toEqual(['hold 1', 'form 1', 'hold 1', 'form 1', 'resume 1']);
});

test('a job that is paused or starts for the first time does not recover', () => {
  expect(
    play([
      [0, run(undefined, 0, 'queued')],
      [1, run('forming', 0, 'starting')],
      [2, run('working')],
      [3, run('working', 3)],
    ]),
  ).toEqual([]);
  expect(
    play([
      [0, run('working')],
      [1, run('holding', 0, 'pausing')],
      [2, run(undefined, 0, 'paused')],
    ]),
  ).toEqual([]);
});
