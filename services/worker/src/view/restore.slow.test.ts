import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { checkpointRoot } from '@maestro/checkpoint';
import { createLogger } from '@maestro/telemetry';
import { ARTIFACT_FILES } from '../checkpoint/artifacts.ts';
import { openViewStage, type StagedMember, type ViewStage, type ViewStageOptions } from '../testing/viewStage.ts';
import { restore } from './restore.ts';

const logger = createLogger({ role: 'worker', destination: { write: () => undefined } });
const signal = new AbortController().signal;
let stages: ViewStage[] = [];
let stage: ViewStage;
let member: StagedMember;

const open = async (options?: ViewStageOptions): Promise<ViewStage> => {
  const opened = await openViewStage(options);
  stages = [...stages, opened];
  return opened;
};
const checkpointOf = ({ dataDir }: ViewStage, step: number, jobId = 'job-1'): string =>
  join(checkpointRoot({ dataDir, jobId, location: undefined }), `step-${String(step).padStart(8, '0')}`);

/** A job that has run to its end: its last checkpoint is of step 4. */
beforeAll(async () => {
  stage = await open();
  member = await stage.open('a');
  expect(await stage.runAll([member], stage.view(1, [member]))).toEqual(['finished']);
});
afterAll(async () => {
  for (const each of stages) await each.close();
});

const restoreTo = (on: ViewStage, to: StagedMember, from: { restoreFrom?: string; startStep?: number }, isFirst = true): Promise<string> =>
  restore({
    session: to.session,
    view: on.view(2, [to], from),
    self: to.name,
    dataDir: on.dataDir,
    timeouts: { progressMs: 30_000 },
    isFirst,
    logger,
    signal,
  });

test('from the seed all come to the same parameters, and the first member writes the artifacts of the job', async () => {
  const [first, other] = (await Promise.all([stage.open('b', 'job-2'), stage.open('c', 'job-2')])) as [StagedMember, StagedMember];
  const artifacts = join(stage.dataDir, 'jobs', 'job-2', 'artifacts');
  const hash = await restoreTo(stage, other, {}, false);
  await expect(access(artifacts)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await restoreTo(stage, first, {})).toBe(hash);
  await first.session.artifacts;
  expect(JSON.parse(await readFile(join(artifacts, ARTIFACT_FILES.manifest), 'utf8'))).toMatchObject({ format: 'maestro-artifacts-1' });
  expect([first.session.state, other.session.state]).toEqual([0, 0]);
});

test('a disk that does not take the artifacts stops no view: the log says so', async () => {
  const alone = await stage.open('g', 'job-4');
  await writeFile(join(stage.dataDir, 'jobs', 'job-4'), 'no folder');
  expect(await restoreTo(stage, alone, {})).toMatch(/^[0-9a-f]{64}$/);
  await alone.session.artifacts;
  expect(alone.session.state).toBe(0);
});

test('from a checkpoint of its own the trainer holds that step, and the hash is the checkpoint’s', async () => {
  const again = await stage.open('d');
  expect(await restoreTo(stage, again, { restoreFrom: checkpointOf(stage, 4), startStep: 4 })).toBe(member.checkpoints[0]!.hash);
  expect(again.session.state).toBe(4);
  const [had, has] = [await member.session.trainer.snapshot(), await again.session.trainer.snapshot()];
  expect(has.step).toBe(4);
  expect(Buffer.from(has.secondMoments!.buffer).equals(Buffer.from(had.secondMoments!.buffer))).toBe(true);
});

test('a checkpoint of another step, or of another job, is refused before the trainer holds anything of it', async () => {
  const other = await stage.open('e', 'job-3');
  const restoreFrom = checkpointOf(stage, 4);
  await expect(restoreTo(stage, other, { restoreFrom, startStep: 3 })).rejects.toMatchObject({ code: 'checkpoint-invalid' });
  await expect(restoreTo(stage, other, { restoreFrom, startStep: 4 })).rejects.toMatchObject({ code: 'invalid-argument' });
  expect(other.session.state).toBe(-1);
});

test('replicas that trained apart cannot be gone on from by a job that sums gradients, nor the other way round', async () => {
  const apart = await open({ sync: { mode: 'diloco', replicas: 2, innerSteps: 2 } });
  const replicas = await apart.open('a');
  expect(await apart.runAll([replicas], apart.view(1, [replicas]))).toEqual(['finished']);
  const fresh = await stage.open('f');
  await expect(restoreTo(stage, fresh, { restoreFrom: checkpointOf(apart, 4), startStep: 4 })).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringContaining('its replicas trained apart'),
  });
  await expect(restoreTo(apart, replicas, { restoreFrom: checkpointOf(stage, 4), startStep: 4 })).rejects.toMatchObject({
    code: 'invalid-argument',
  });
});
