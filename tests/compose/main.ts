import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { writeBlobs } from '../support/blobs.ts';
import { fileOf } from '../support/repository.ts';
import { runCommand } from './command.ts';
import { jobsOf } from './jobs.ts';
import { type LocalRun, startLocalRun } from './localRun.ts';
import { findMeans, installMeans, type Means } from './means.ts';
import { nextTag } from './nextTag.ts';
import { type RunningStage, type StageConfig, type StepReport, startStage, timeStep } from './stage.ts';
import type { StoryEnd } from './story.ts';

/**
 * `npm run test:compose -- [--install] [--offline]`: builds the images, brings docker-compose.yml up and trains a job on it, harms it, and takes it
 * down. The last line is the count of steps: "N passed, N failed".
 */
const { values } = parseArgs({ options: { install: { type: 'boolean', default: false }, offline: { type: 'boolean', default: false } } });
/** Of `writeBlobs`: the data set of every test cluster. */
const IMAGES = 300;
const REGISTRY_MS = 5000;

let [passed, failed] = [0, 0];
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const report = ({ name, seconds, note, hasFailed }: StepReport): void => {
  if (hasFailed) failed++;
  else passed++;
  print(`${hasFailed ? 'FAILED' : 'ok    '}  ${name.padEnd(64)} ${seconds.toFixed(1).padStart(6)} s  ${note}`);
};

if (values.install && typeof (await findMeans()) === 'string') await installMeans();
const means = await findMeans();
if (typeof means === 'string') {
  print(`the compose test is skipped: ${means}`);
  print('0 passed, 0 failed, 1 skipped');
} else {
  const startMs = performance.now();
  await testCompose(means);
  print(`${((performance.now() - startMs) / 1000).toFixed(0)} s in all`);
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

async function testCompose({ compose, isPrivate }: Means): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-compose-'));
  const tag = `maestro-test-${process.pid}`;
  let running: RunningStage | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => running?.kill());
  const take = (file: string, config: StageConfig, isNetworkOwn: boolean): Promise<unknown> => {
    running = startStage(file, config, { isNetworkOwn, onStep: report });
    return running.ended;
  };
  let local: LocalRun | undefined;
  const onStep = (name: string, work: () => Promise<string>) => timeStep(name, work, report);
  try {
    await writeSettings(dir, tag);
    const { short, long } = jobsOf('/data');
    const shortJob = { spec: short, hash: '' };
    const config: StageConfig = {
      dir,
      isPrivate,
      compose,
      tag,
      hasPackages: !values.offline && (await hasPackages()),
      shortJob,
      longJob: long,
    };
    // The images want the disk and the network, the local run the processor.
    const building = take('./buildStage.js', config, false);
    await onStep('the short job on this machine, one worker, no container', async () => {
      local = await startLocalRun(jobsOf);
      return local.shortHash.slice(0, 16);
    });
    const isBuilt = (await building) !== undefined;
    if (!isBuilt || local === undefined) return;
    await onStep('the long job on this machine, until the images are built', async () => `step ${await local!.hold()}`);
    const end = (await take('./storyStage.js', { ...config, shortJob: { spec: short, hash: local.shortHash } }, true)) as
      | StoryEnd
      | undefined;
    if (end === undefined) return;
    await onStep('the long job has the same bits on this machine', async () => {
      const hash = await local!.hashAt(end.step);
      if (hash !== end.hash) throw new MaestroError('conflict', `at step ${end.step}: ${hash} here, ${end.hash} on the stack`);
      return `${hash.slice(0, 16)} at step ${end.step}`;
    });
  } finally {
    await local?.stop();
    if (!isPrivate) {
      const images = ['coordinator', 'worker'].flatMap((name) => [tag, nextTag(tag)].map((each) => `maestro-${name}:${each}`));
      await runCommand(['docker', 'image', 'rm', '--force', ...images]).catch((error: unknown) => print(errorMessage(error)));
    }
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The `.env` that the generator writes, on free ports, with images of this run's own. */
async function writeSettings(dir: string, tag: string): Promise<void> {
  const file = join(dir, '.env');
  await runCommand(['sh', fileOf('deploy/write-env.sh'), file]);
  const images = await writeBlobs(join(dir, 'images'), { count: IMAGES });
  const ports = ['MAESTRO_PORT', 'MAESTRO_HTTP_PORT', 'PROMETHEUS_PORT', 'GRAFANA_PORT'].map((name) => `${name}=0`);
  await appendFile(file, `${[`MAESTRO_IMAGES=${images}`, `MAESTRO_VERSION=${tag}`, ...ports].join('\n')}\n`);
}

/** Whether npm's registry answers. */
async function hasPackages(): Promise<boolean> {
  const registry = (await runCommand(['npm', 'config', 'get', 'registry'])).trim();
  return fetch(registry, { signal: AbortSignal.timeout(REGISTRY_MS) }).then(
    () => true,
    () => false,
  );
}
