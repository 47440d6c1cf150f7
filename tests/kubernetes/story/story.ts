import { errorMessage, MaestroError } from '@maestro/protocol';
import type { JobApi } from '../../compose/jobApi.ts';
import { CHECKPOINT_STEPS } from '../../compose/jobs.ts';
import type { TakeStep } from '../../compose/stage.ts';
import { eventually } from '../../support/eventually.ts';
import { requireConfined } from './confined.ts';
import { copyImages, knock, knockAsStranger, startImagesPod } from './imagesPod.ts';
import { type Kubectl, podsOf } from './kubectl.ts';

/** What the story is told with. */
export interface StoryCast {
  readonly kubectl: Kubectl;
  readonly step: TakeStep;
  readonly api: JobApi;
  /** Folder of the overlay under test. */
  readonly overlay: string;
  /** Image of workers, of which the pod that fills the volume of images is made too. */
  readonly workerImage: string;
  /** Folder of images to train on. */
  readonly images: string;
  /** Whether the cluster's network enforces policies. */
  readonly hasPolicies: boolean;
  /** A job that ends by itself and the hash that it must end with, and one that goes on until it is cancelled. */
  readonly shortJob: { readonly spec: unknown; readonly hash: string };
  readonly longJob: unknown;
}

/** A checkpoint of the long job that the local run has, or will have, too. */
export interface StoryEnd {
  readonly step: number;
  readonly hash: string;
}

const ROLLOUT_MS = 400_000;

/** A job on the cluster, and all that its operator does and suffers while it trains: read from top to bottom. */
export async function tellStory(cast: StoryCast): Promise<StoryEnd> {
  const { kubectl, step, api } = cast;
  const scale = (count: number) => kubectl(['scale', 'statefulset/maestro-worker', `--replicas=${count}`]);
  const rolledOut = (what: string) => kubectl(['rollout', 'status', what, '--timeout=300s'], { timeoutMs: ROLLOUT_MS });
  let id = '';
  let end: StoryEnd | undefined;
  /** The job takes steps again, with so many members. */
  const trainsWith = async (count: number): Promise<string> => {
    const before = (await api.job(id)).progress?.step ?? 0;
    const { progress, generation } = await api.until(
      id,
      `steps of ${count} members`,
      (job) => job.state === 'running' && job.members.length === count && (job.progress?.step ?? 0) > before + 5,
    );
    return `step ${progress!.step}, view ${generation}`;
  };
  /** Does something after which a worker must have left of its own accord: no step was lost, and its pod was not killed. */
  const leavesInOrder = async (worker: string, act: () => Promise<unknown>): Promise<void> => {
    const before = await api.job(id);
    const known = new Set(before.events.map(({ time, message }) => `${time} ${message}`));
    await act();
    const { events } = await api.until(id, `${worker} to leave`, (job) =>
      job.events.some(({ time, type, message }) => type === 'left' && message.startsWith(`${worker} `) && !known.has(`${time} ${message}`)),
    );
    const lost = events.filter(({ time, type, message }) => ['lost', 'evicted'].includes(type) && !known.has(`${time} ${message}`));
    expectEqual(
      lost.map(({ message }) => message),
      [],
      'members that were lost',
    );
  };

  await step('kubectl apply: redis, coordinator, 2 workers', async () => {
    await kubectl(['apply', '--kustomize', cast.overlay]);
    await rolledOut('statefulset/maestro-redis');
    await rolledOut('deployment/maestro-coordinator');
    await rolledOut('statefulset/maestro-worker');
    await requireNoRestarts(kubectl);
    return 'all ready, each at its first start';
  });
  await step('images are copied into their volume', async () => {
    await startImagesPod(kubectl, cast.workerImage);
    return `${await copyImages(kubectl, cast.images)} files`;
  });
  await step('no rights inside: user, capabilities, root file system', async () => {
    for (const name of ['redis', 'coordinator', 'worker']) {
      const [pod] = await podsOf(kubectl, name);
      await requireConfined(name, (command) => kubectl(['exec', pod!, '--', ...command]));
    }
    return 'not root, no capability, no new privileges, a seccomp filter, nothing writable but /tmp and volumes';
  });
  await step('strangers are refused by the API and by Redis', async () => {
    expectEqual(await api.anonymousStatus('/api/v1/jobs'), 401, 'status without a token');
    expectEqual(await api.anonymousStatus('/readyz'), 200, 'status of /readyz');
    const answer = await kubectl(['exec', 'maestro-redis-0', '--', 'env', '-u', 'REDISCLI_AUTH', 'redis-cli', 'ping']);
    expectEqual(answer.slice(0, 6), 'NOAUTH', 'answer of Redis without a password');
    return '401, NOAUTH';
  });
  await step('a pod that no policy names reaches nothing', async () => {
    if (!cast.hasPolicies) return { because: 'by --without-policies' };
    const worker = (await kubectl(['get', 'pod', 'maestro-worker-0', '--output', 'jsonpath={.status.podIP}'])).trim();
    const doors: readonly (readonly [host: string, port: number, isForWorkers: boolean])[] = [
      ['maestro-redis', 6379, true],
      ['maestro-coordinator', 7070, true],
      ['maestro', 7080, false],
      [worker, 7071, true],
      [worker, 7072, false],
    ];
    for (const [host, port, isForWorkers] of doors) {
      if (isForWorkers) expectEqual(await knock(kubectl, 'maestro-worker-1', host, port), 'open', `a worker at ${host}:${port}`);
      const met = await knockAsStranger(kubectl, host, port);
      if (met === 'open') throw new MaestroError('conflict', `a stranger reaches ${host}:${port}: does this network enforce policies?`);
    }
    return 'Redis, coordinator and workers are out of its reach, and in that of workers';
  });
  await step('a job is submitted over REST', async () => {
    id = await api.submit(cast.longJob);
    return `${id}: ${await trainsWith(2)}`;
  });
  await step('scaled from 2 to 4 workers', async () => {
    await scale(4);
    return trainsWith(4);
  });
  await step('a pod is deleted: its worker leaves in order, and comes back', async () => {
    await leavesInOrder('maestro-worker-1', () => kubectl(['delete', 'pod', 'maestro-worker-1']));
    return trainsWith(4);
  });
  await step('a pod is deleted by force', async () => {
    await kubectl(['delete', 'pod', 'maestro-worker-2', '--force', '--grace-period=0']);
    await rolledOut('statefulset/maestro-worker');
    return trainsWith(4);
  });
  await step('a drain of the node may evict one worker at a time', async () => {
    let refusal = 'none';
    await leavesInOrder('maestro-worker-3', async () => {
      await evict(kubectl, 'maestro-worker-3');
      refusal = await evict(kubectl, 'maestro-worker-0').catch(errorMessage);
    });
    if (!refusal.includes('disruption budget')) throw new MaestroError('conflict', `the second eviction: ${refusal}`);
    await rolledOut('statefulset/maestro-worker');
    return `the second was refused; ${await trainsWith(4)}`;
  });
  await step('the coordinator is restarted', async () => {
    await kubectl(['rollout', 'restart', 'deployment/maestro-coordinator']);
    await rolledOut('deployment/maestro-coordinator');
    return trainsWith(4);
  });
  await step('the pod of Redis is deleted', async () => {
    await kubectl(['delete', 'pod', 'maestro-redis-0']);
    await rolledOut('statefulset/maestro-redis');
    return trainsWith(4);
  });
  await step('workers are replaced one after the other', async () => {
    await kubectl(['rollout', 'restart', 'statefulset/maestro-worker']);
    await rolledOut('statefulset/maestro-worker');
    return trainsWith(4);
  });
  await step('scaled from 4 to 1 worker', async () => {
    await scale(1);
    return trainsWith(1);
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
    const other = await api.submit(cast.shortJob.spec);
    await api.until(other, 'its end', ({ state }) => state === 'succeeded');
    expectEqual((await api.checkpoints(other))[0]?.hash, cast.shortJob.hash, 'hash');
    return cast.shortJob.hash.slice(0, 16);
  });
  await step('nothing was restarted for want of health or memory', async () => {
    await requireNoRestarts(kubectl);
    return 'no container was restarted by its kubelet';
  });
  if (end === undefined) throw new MaestroError('conflict', `the job had no checkpoint of step ${CHECKPOINT_STEPS} or later`);
  return end;
}

/** @throws MaestroError `conflict` when a container of a pod that is there ended and was started again. */
async function requireNoRestarts(kubectl: Kubectl): Promise<void> {
  const restarts = await kubectl([
    'get',
    'pods',
    '--output',
    'jsonpath={range .items[*]}{.metadata.name}{" "}{.status.containerStatuses[0].restartCount}{"\\n"}{end}',
  ]);
  const restarted = restarts.split('\n').filter((line) => line !== '' && !line.endsWith(' 0'));
  expectEqual(restarted, [], 'pods whose container was restarted');
}

/** What `kubectl drain` does to a pod. @throws MaestroError when the disruption budget forbids it. */
function evict(kubectl: Kubectl, pod: string): Promise<string> {
  const namespace = kubectl.where.at(-1)!;
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } };
  return kubectl(['create', '--raw', `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`, '--filename', '-'], {
    input: JSON.stringify(eviction),
  });
}

function expectEqual(found: unknown, expected: unknown, what: string): void {
  const [is, due] = [JSON.stringify(found), JSON.stringify(expected)];
  if (is !== due) throw new MaestroError('conflict', `${what}: found ${is}, expected ${due}`);
}
