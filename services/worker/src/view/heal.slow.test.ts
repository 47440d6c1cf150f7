import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MaestroError } from '@maestro/protocol';
import { createLogger } from '@maestro/telemetry';
import { createFaults, type Faults } from '../process/faults.ts';
import { openViewStage, type StagedMember, type ViewStage } from '../testing/viewStage.ts';
import { heal, serveTo } from './heal.ts';

const logger = createLogger({ role: 'worker', destination: { write: () => undefined } });
const none = createFaults(undefined);
let stage: ViewStage;
let source: StagedMember;
let joiner: StagedMember;

/** The source has trained two steps of its own. */
beforeAll(async () => {
  stage = await openViewStage();
  [source, joiner] = (await Promise.all([stage.open('source'), stage.open('joiner')])) as [StagedMember, StagedMember];
  const run = stage.run(source, stage.view(1, [source]));
  run.start();
  run.hold(2);
  expect(await run.end).toBe('held');
});
afterAll(() => stage.close());

const viewOf = (generation: number) => stage.view(generation, [source, joiner], { startStep: 2, sources: [source] });
const serve = (generation: number, faults: Faults = none): (() => void) =>
  serveTo({ ...source, view: viewOf(generation), self: 'source', faults });
const pull = (generation: number, { onProgress = () => undefined, signal = new AbortController().signal } = {}) =>
  heal({ ...joiner, view: viewOf(generation), self: 'joiner', faults: none, onProgress, logger, signal });

async function stateOf({ session }: StagedMember): Promise<unknown> {
  const { parameters, firstMoments, secondMoments, step } = await session.trainer.snapshot();
  return [parameters, firstMoments, secondMoments]
    .map((vector) => Buffer.from(vector!.slice().buffer).toString('base64'))
    .concat(String(step));
}

test('whoever lacks the state has all of it afterwards, bit for bit, and can serve it in turn', async () => {
  const stop = serve(2);
  let progress = 0;
  await pull(2, { onProgress: () => void progress++ });
  stop();
  expect(joiner.session.state).toBe(2);
  expect(progress).toBeGreaterThan(0);
  expect(await stateOf(joiner)).toEqual(await stateOf(source));
});

test('a state is served to the view that it is for, and to no other', async () => {
  const stop = serve(3);
  await expect(pull(4)).rejects.toMatchObject({ name: 'MaestroError', message: expect.stringContaining('source') });
  stop();
  await expect(pull(3)).rejects.toMatchObject({ name: 'MaestroError' });
  // What it held before is still good: nothing was loaded.
  expect(joiner.session.state).toBe(2);
});

test('a view that is given up while the state comes leaves the trainer as it was', async () => {
  const closing = new AbortController();
  const reason = new MaestroError('cancelled', 'a newer view came');
  const stop = serve(5, { reach: (_step, phase) => (phase === 'serve' ? closing.abort(reason) : undefined) });
  await expect(pull(5, { signal: closing.signal })).rejects.toMatchObject({ code: 'cancelled' });
  stop();
  expect(joiner.session.state).toBe(2);
  expect(await stateOf(joiner)).toEqual(await stateOf(source));
});
