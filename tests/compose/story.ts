import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import { eventually } from '../support/eventually.ts';
import { runCommand } from './command.ts';
import type { JobApi } from './jobApi.ts';
import { CHECKPOINT_STEPS } from './jobs.ts';
import { nextTag } from './nextTag.ts';
import { readPublicImages } from './publicImages.ts';
import type { Stack } from './stack.ts';
import type { StageConfig, TakeStep } from './stage.ts';

/** What the story is told with. */
export interface StoryCast {
  readonly stack: Stack;
  readonly config: StageConfig;
  readonly step: TakeStep;
  /** The API for who has the token. */
  readonly open: (token: string) => JobApi;
}

/** What the stack has trained. */
export interface StoryEnd {
  /** A checkpoint of the long job that the local run has, or will have, too. */
  readonly step: number;
  readonly hash: string;
  /** What the demo's job ended with, where it was trained. */
  readonly demoHash?: string;
}

/** A job on the stack, and all that its operator does and suffers while it trains: read from top to bottom. */
export async function tellStory({ stack, config, step, open }: StoryCast): Promise<StoryEnd> {
  const settings = await readSettings(join(config.dir, '.env'));
  const api = open(settings['MAESTRO_TOKEN']!);
  const scale = (count: number) => stack.compose(['up', '--detach', '--no-deps', '--no-recreate', '--scale', `worker=${count}`, 'worker']);
  let id = '';
  let end: { readonly step: number; readonly hash: string } | undefined;
  let demoHash: string | undefined;
  const stepNow = async (): Promise<number> => (await api.job(id)).progress?.step ?? 0;
  /** The job takes steps again, with so many members. */
  const trainsWith = async (count: number): Promise<string> => {
    const before = await stepNow();
    const job = await api.until(
      id,
      `steps of ${count} members`,
      ({ members, progress, state }) => state === 'running' && members.length === count && (progress?.step ?? 0) > before + 5,
    );
    return `step ${job.progress!.step}, generation ${job.generation}`;
  };
  /** A job that nobody disturbs: the hash that it ends with. */
  const train = async (spec: unknown): Promise<string> => {
    const job = await api.submit(spec);
    await api.until(job, 'its end', ({ state }) => state === 'succeeded');
    return (await api.checkpoints(job))[0]?.hash ?? 'none';
  };

  await step('docker-compose up: redis, coordinator, 2 workers', async () => {
    await stack.compose(['up', '--detach', '--no-build']);
    await stack.healthy('worker', 2);
    return `all healthy; Compose ${(await stack.compose(['version', '--short'])).trim()}`;
  });
  await step('no rights inside: user, capabilities, root file system', async () => {
    for (const service of ['redis', 'coordinator', 'worker']) await requireConfined(stack, service);
    return 'not root, no capability, no new privileges, nothing writable but /tmp and volumes';
  });
  await step('strangers are refused by the API and by Redis', async () => {
    expectEqual(await api.anonymousStatus('/api/v1/jobs'), 401, 'status without a token');
    expectEqual(await api.anonymousStatus('/readyz'), 200, 'status of /readyz');
    const [redis] = await stack.containers('redis');
    const answer = await stack.exec(redis!, ['env', '-u', 'REDISCLI_AUTH', 'redis-cli', 'ping']);
    expectEqual(answer.slice(0, 6), 'NOAUTH', 'answer of Redis without a password');
    return '401, NOAUTH';
  });
  // It looks every five seconds, so it is started long before anybody looks at what it has.
  const { prometheus } = await readPublicImages();
  const hasPrometheus = (await runCommand(['docker', 'images', '--quiet', prometheus])).trim() !== '';
  if (hasPrometheus) await stack.compose(['up', '--detach', '--no-deps', 'prometheus']);
  await step("the demo's job, on 2 workers", async () => {
    if (config.demoJob === undefined) return { because: 'its data set is not here' };
    demoHash = await train(config.demoJob);
    return demoHash.slice(0, 16);
  });
  await step('a job is submitted over REST', async () => {
    id = await api.submit(config.longJob);
    return `${id}: ${await trainsWith(2)}`;
  });
  await step('scaled from 2 to 4 workers', async () => {
    await scale(4);
    return trainsWith(4);
  });
  await step('a worker crashes', async () => {
    await stack.crash((await stack.containers('worker'))[0]!);
    return `Docker started it again; ${await trainsWith(4)}`;
  });
  await step('the coordinator crashes', async () => {
    await stack.crash((await stack.containers('coordinator'))[0]!);
    return trainsWith(4);
  });
  await step('Redis crashes', async () => {
    await stack.crash((await stack.containers('redis'))[0]!);
    return trainsWith(4);
  });
  await step('docker-compose restart redis', async () => {
    await stack.compose(['restart', 'redis']);
    return trainsWith(4);
  });
  await step('the coordinator is upgraded', async () => {
    await upgrade(stack, config.tag, 'coordinator', []);
    return trainsWith(4);
  });
  await step('scaled from 4 to 1 worker', async () => {
    await scale(1);
    return trainsWith(1);
  });
  await step('the worker is upgraded', async () => {
    await upgrade(stack, config.tag, 'worker', ['--scale', 'worker=1']);
    return trainsWith(1);
  });
  await step('Prometheus still scrapes the coordinator', async () => {
    if (!hasPrometheus) return { because: 'no Prometheus here' };
    const query = encodeURIComponent('maestro_step{job="small"} > 0 and on () up{job="maestro"} == 1');
    await eventually('a sample of the job', async () => {
      const address = await stack.address('prometheus', 9090);
      const response = await fetch(`http://${address}/api/v1/query?query=${query}`).catch(() => undefined);
      const body = (await response?.json()) as { data?: { result: readonly unknown[] } } | undefined;
      return (body?.data?.result.length ?? 0) > 0;
    });
    return 'with its token, after an upgrade too';
  });
  await step('the job is cancelled, and every sample was taken once', async () => {
    await api.cancel(id);
    const job = await eventually('its end', async () => {
      const now = await api.job(id);
      return now.state === 'cancelled' && now;
    });
    end = (await api.checkpoints(id)).flatMap(({ step: at, hash }) => (at % CHECKPOINT_STEPS === 0 && hash ? [{ step: at, hash }] : []))[0];
    const { isClean, step: steps, missing, duplicates, problems, images } = await api.audit(id);
    expectEqual(
      { isClean, steps, missing, duplicates, problems },
      { isClean: true, steps: job.progress!.step, missing: 0, duplicates: 0, problems: [] },
      'audit',
    );
    const views = job.events.filter(({ type }) => type === 'view').length;
    return `audit clean: ${images} images in ${steps} steps, ${views} views, ${job.stepsRedone} steps redone`;
  });
  await step('another job runs to its end, with the bits of the local run', async () => {
    expectEqual(await train(config.shortJob.spec), config.shortJob.hash, 'hash');
    return config.shortJob.hash.slice(0, 16);
  });
  await step('docker-compose down and up: jobs and checkpoints are there', async () => {
    await stack.compose(['down', '--timeout', '20']);
    await stack.compose(['up', '--detach', '--no-build', '--scale', 'worker=1']);
    await stack.healthy('coordinator', 1);
    expectEqual((await api.job(id)).state, 'cancelled', 'state');
    expectEqual((await api.checkpoints(id)).find((each) => each.step === end?.step)?.hash, end?.hash, 'hash');
    return 'volumes kept them';
  });
  await step('docker-compose down --volumes leaves nothing', async () => {
    await stack.compose(['--profile', 'observability', 'down', '--volumes', '--timeout', '20']);
    const filter = `--filter=label=com.docker.compose.project=${config.tag}`;
    for (const list of [
      ['ps', '--all', '--quiet'],
      ['network', 'ls', '--quiet'],
      ['volume', 'ls', '--quiet'],
    ])
      expectEqual(await runCommand(['docker', ...list, filter]), '', `docker ${list[0]}`);
    return 'no container, network or volume';
  });
  if (end === undefined) throw new MaestroError('conflict', `the job had no checkpoint of step ${CHECKPOINT_STEPS} or later`);
  return { ...end, ...(demoHash !== undefined && { demoHash }) };
}

/** As docs/guide/cluster.md has it: a new image under a new tag, one service at a time. */
async function upgrade(stack: Stack, tag: string, service: string, more: readonly string[]): Promise<void> {
  const [before] = await stack.containers(service);
  await stack.compose(['up', '--detach', '--no-deps', '--no-build', ...more, service], { MAESTRO_VERSION: nextTag(tag) });
  const [after] = await stack.containers(service);
  const image = await stack.inspect(after!, '{{index .Config.Labels "org.opencontainers.image.version"}}');
  expectEqual({ isOther: after !== before, image }, { isOther: true, image: nextTag(tag) }, `container of ${service}`);
}

async function requireConfined(stack: Stack, service: string): Promise<void> {
  const [container] = await stack.containers(service);
  const [uid, status] = [await stack.exec(container!, ['id', '-u']), await stack.exec(container!, ['cat', '/proc/self/status'])];
  const value = (name: string): string | undefined => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1];
  const write = await stack.exec(container!, [
    'sh',
    '-c',
    'touch /maestro-was-here /usr/maestro-was-here 2>&1; touch /tmp/allowed && echo done',
  ]);
  expectEqual(
    { isRoot: uid.trim() === '0', effective: value('CapEff'), bounding: value('CapBnd'), noNewPrivileges: value('NoNewPrivs') },
    { isRoot: false, effective: '0000000000000000', bounding: '0000000000000000', noNewPrivileges: '1' },
    service,
  );
  const refusals = write.match(/Read-only file system/g)?.length;
  expectEqual({ refusals, isTmpWritable: write.endsWith('done\n') }, { refusals: 2, isTmpWritable: true }, `writes of ${service}`);
}

async function readSettings(path: string): Promise<Readonly<Record<string, string>>> {
  const lines = [...(await readFile(path, 'utf8')).matchAll(/^(\w+)=(.*)$/gm)];
  return Object.fromEntries(lines.map(([, name, value]) => [name!, value!]));
}

function expectEqual(found: unknown, expected: unknown, what: string): void {
  const [is, due] = [JSON.stringify(found), JSON.stringify(expected)];
  if (is !== due) throw new MaestroError('conflict', `${what}: found ${is}, expected ${due}`);
}
