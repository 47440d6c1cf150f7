import { expect, test } from '@jest/globals';
import { MaestroError } from '@maestro/protocol';
import { runSteps, type StepOutcome, type StepProgram, type StepReport } from './runSteps.ts';

/** A loop over four steps whose parts say when they are called. */
function stage({ startStep = 0, program = {} }: { startStep?: number; program?: Partial<StepProgram> } = {}) {
  const calls: string[] = [];
  const reports: StepReport[] = [];
  const closing = new AbortController();
  const outcome = (isEnd = false): StepOutcome => ({ metrics: { loss: 1 }, images: 8, ranks: [], rankSeconds: 1, isEnd: () => isEnd });
  const run = () =>
    runSteps({
      program: {
        run: async (step, frame) => {
          calls.push(`run ${step}`);
          await frame.contentsSettled();
          return outcome();
        },
        ...program,
      },
      startStep,
      totalSteps: 4,
      shards: {
        enter: async (step) => void calls.push(`enter ${step}`),
        leave: (step) => void calls.push(`leave ${step}`),
      },
      contents: {
        note: () => undefined,
        async settle({ isLast, onWaiting, signal }) {
          signal.throwIfAborted();
          calls.push(isLast ? 'settle all' : 'settle');
          if (isLast) {
            onWaiting('Redis does not answer');
            onWaiting('');
          }
        },
        close: async () => undefined,
      },
      onPhase: (step, phase) => void calls.push(`${phase} ${step}`),
      onWaiting: (reason) => void calls.push(`waiting for: ${reason}`),
      faults: { reach: (step, phase) => void calls.push(`fault? ${phase} ${step}`) },
      onStep: async (report, isSaved = false) => {
        calls.push(`report ${report.step}${isSaved ? ' saved' : ''}`);
        reports.push(report);
      },
      signal: closing.signal,
    });
  return { calls, reports, closing, outcome, run };
}

test('each step leases its data, runs, and is reported before the next one begins; the last one waits for all contents', async () => {
  const { calls, reports, run } = stage({ startStep: 2 });
  expect(await run()).toBe('finished');
  expect(calls).toEqual([
    ...['lease 2', 'fault? lease 2', 'enter 2', 'run 2', 'settle', 'leave 2', 'report 3'],
    ...['lease 3', 'fault? lease 3', 'enter 3', 'run 3', 'settle all'],
    ...['report 3', 'waiting for: Redis does not answer', 'waiting for: ', 'leave 3', 'report 4'],
  ]);
  expect(reports[0]).toEqual({
    step: 3,
    metrics: { loss: 1 },
    images: 8,
    ranks: [],
    rankSeconds: 1,
    stepSeconds: expect.any(Number),
  });
});

test('a program ends the loop once its step is reported, and is told so at the last step too', async () => {
  const made = stage({ program: { run: async (step) => ({ ...made.outcome(step === 1), isSaved: step === 1 }) } });
  expect(await made.run()).toBe('held');
  expect(made.calls.filter((call) => call.startsWith('report'))).toEqual(['report 1', 'report 2 saved']);
  const last = stage({
    startStep: 3,
    program: { run: async () => last.outcome(true), finish: () => Promise.reject(new Error('too far')) },
  });
  expect(await last.run()).toBe('held');
});

test('what follows the last step may be held up, and runs where no step is left', async () => {
  const { calls, run } = stage({ startStep: 4, program: { finish: async () => 'held' } });
  expect(await run()).toBe('held');
  expect(calls).toEqual([]);
  expect(await stage({ startStep: 4 }).run()).toBe('finished');
});

test('a step that fails is not reported, and nothing comes after it', async () => {
  const { calls, closing, run } = stage();
  closing.abort(new MaestroError('cancelled', 'a newer view came'));
  await expect(run()).rejects.toMatchObject({ code: 'cancelled' });
  expect(calls).toEqual(['lease 0', 'fault? lease 0', 'enter 0', 'run 0']);
});
