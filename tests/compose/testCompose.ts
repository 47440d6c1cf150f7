import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { fileOf } from '../support/repository.ts';
import { runCommand } from './command.ts';
import { DEMO_WORKERS, type Demo, prepareDemo } from './demo.ts';
import { farApartLack, hashFarApart } from './farApart.ts';
import { jobsOf } from './jobs.ts';
import { type LocalRun, startLocalRun } from './localRun.ts';
import type { Means } from './means.ts';
import { nextTag } from './nextTag.ts';
import { type Place, placesTable, sharedHash } from './placesTable.ts';
import type { Report } from './report.ts';
import { type RunningStage, type StageConfig, startStage } from './stage.ts';
import type { StoryEnd } from './story.ts';

/** Of `writeBlobs`: the data set of every test cluster. */
const IMAGES = 300;
const REGISTRY_MS = 5000;

/**
 * The whole test: images are built and the stack lives through its story, while jobs train on this machine that must come to the same bits.
 */
export async function testCompose(
  report: Report,
  { means: { compose, isPrivate }, isOffline }: { readonly means: Means; readonly isOffline: boolean },
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-compose-'));
  const images = join(dir, 'images');
  const tag = `maestro-test-${process.pid}`;
  let running: RunningStage | undefined;
  const stopped = new AbortController();
  stopped.signal.addEventListener('abort', () => running?.kill());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());
  const play = (file: string, config: StageConfig, isNetworkOwn: boolean): Promise<unknown> => {
    running = startStage(file, config, { isNetworkOwn, onStep: report.add });
    return running.ended;
  };
  const places: Place[] = [];
  const trained = (where: string, hash: string): string => {
    places.push({ where, workers: DEMO_WORKERS, hash });
    return hash.slice(0, 16);
  };
  let local: LocalRun | undefined;
  let far: Promise<unknown> | undefined;
  try {
    await writeSettings(dir, { tag, images });
    const { short, long } = jobsOf('/data');
    const shortJob = { spec: short, hash: '' };
    const config: StageConfig = { dir, isPrivate, compose, tag, hasPackages: !isOffline && (await hasPackages()), shortJob, longJob: long };
    // The images want the disk and the network, the jobs here the processor.
    const building = play('./buildStage.js', config, false);
    await report.take('the short job on this machine, one worker, no container', async () => {
      local = await startLocalRun(jobsOf);
      return local.shortHash.slice(0, 16);
    });
    let demo: Demo | undefined;
    await report.take('npm run demo on this machine, 2 workers', async () => {
      const prepared = await prepareDemo(dir, images).catch((error: unknown) => errorMessage(error));
      if (typeof prepared === 'string') return { because: prepared };
      demo = prepared;
      return trained('npm run demo', await demo.run(stopped.signal));
    });
    far = report.take("the demo's job, 2 workers in network namespaces, 50 ms and 1 % loss", async () => {
      const lack = demo === undefined ? 'its data set is not here' : await farApartLack();
      if (lack !== undefined) return { because: lack };
      const options = { dataDir: join(dir, 'far'), workers: DEMO_WORKERS };
      return trained('network namespaces, 50 ms and 1 % loss', await hashFarApart(demo!.specFor(images), options));
    });
    const isBuilt = (await building) !== undefined;
    if (!isBuilt || local === undefined) return;
    const end = (await play(
      './storyStage.js',
      {
        ...config,
        shortJob: { spec: short, hash: local.shortHash },
        ...(demo !== undefined && { demoJob: demo.specFor('/data') }),
      },
      true,
    )) as StoryEnd | undefined;
    if (end === undefined) return;
    if (end.demoHash !== undefined) trained('docker-compose.yml', end.demoHash);
    await report.take('the long job has the same bits on this machine', async () => {
      const hash = await local!.hashAt(end.step);
      if (hash !== end.hash) throw new MaestroError('conflict', `at step ${end.step}: ${hash} here, ${end.hash} on the stack`);
      return `${hash.slice(0, 16)} at step ${end.step}`;
    });
    await far;
    if (demo === undefined) return;
    for (const line of placesTable(places, demo.steps)) report.print(line);
    await report.take(
      "the demo's job has the same bits in every place",
      async () => `${sharedHash(places).slice(0, 16)} in ${places.length}`,
    );
  } finally {
    await far;
    await local?.stop();
    if (!isPrivate) {
      const built = ['coordinator', 'worker'].flatMap((name) => [tag, nextTag(tag)].map((each) => `maestro-${name}:${each}`));
      await runCommand(['docker', 'image', 'rm', '--force', ...built]).catch((error: unknown) => report.print(errorMessage(error)));
    }
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The `.env` that the generator writes, on free ports, with images of this run's own. */
async function writeSettings(dir: string, { tag, images }: { readonly tag: string; readonly images: string }): Promise<void> {
  const file = join(dir, '.env');
  await runCommand(['sh', fileOf('deploy/write-env.sh'), file]);
  await writeBlobs(images, { count: IMAGES });
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
