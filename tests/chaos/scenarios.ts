import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '@maestro/protocol';
import { FAILURE_TIMEOUT_MS } from './runScenario.ts';
import type { Scenario } from './scenario.ts';

/** Longer than any deadline derived from the failure timeout. */
const PAST_TIMEOUT_MS = 1.5 * FAILURE_TIMEOUT_MS;

/** Deaths of a worker at an exact point: the phase, the worker, and the step at whose beginning the phase is reached. */
const killsInPhase: readonly Scenario[] = (
  [
    ['lease', 'worker-b', 14],
    ['decode', 'worker-b', 13],
    ['forward', 'worker-b', 13],
    ['backward', 'worker-b', 13],
    ['reduce-scatter', 'worker-b', 13],
    ['all-gather', 'worker-b', 13],
    ['apply', 'worker-a', 13],
    ['checkpoint-write', 'worker-a', 20],
    ['checkpoint-fsync', 'worker-a', 20],
    ['checkpoint-rename', 'worker-a', 20],
  ] as const
).map(([phase, worker, step]) => ({
  name: `kill-in-${phase}`,
  story: `${worker} is killed in ${phase} of step ${step}`,
  faults: { [worker]: `${step}/${phase}/kill` },
  isLarger: phase === 'backward',
}));

const otherFaults: readonly Scenario[] = [
  { name: 'exit-in-forward', story: 'worker-b exits in the middle of a step', faults: { 'worker-b': '13/forward/exit' } },
  {
    name: 'hang-in-forward',
    story: "worker-b's computation never ends, while it goes on answering",
    faults: { 'worker-b': '13/forward/hang' },
    // A computation gets six failure timeouts, of 2 s here.
    recoveryMs: 20_000,
  },
  {
    name: 'two-at-once',
    story: 'two workers of three are killed at once',
    workers: 3,
    async act({ atStep, kill }) {
      await atStep(9);
      kill('worker-b', 'worker-c');
    },
  },
  {
    name: 'first-then-next',
    story: 'the first member is killed, and its successor while the next view forms',
    workers: 3,
    async act({ atStep, kill, until }) {
      const { generation } = await atStep(9);
      kill('worker-a');
      await until('the next view', (job) => job.generation > generation);
      kill('worker-b');
    },
  },
  {
    name: 'same-name',
    story: 'a worker is killed and started again at once under its name',
    steps: 120,
    async act({ atStep, mark, restartWorker, until }) {
      await atStep(9);
      mark();
      await restartWorker('worker-b');
      await until('both to work', ({ members, generation }) => members.length === 2 && generation > 1);
    },
  },
  {
    name: 'all-killed',
    story: 'all workers are killed; those that come go on from the last checkpoint',
    redone: 10,
    async act({ atStep, kill, restartWorker }) {
      await atStep(16);
      kill('worker-a', 'worker-b');
      await restartWorker('worker-b');
      await restartWorker('worker-a');
    },
  },
  {
    name: 'all-killed-early',
    story: 'all workers are killed before the first checkpoint',
    redone: 10,
    async act({ atStep, kill, restartWorker }) {
      await atStep(4);
      kill('worker-a', 'worker-b');
      await restartWorker('worker-a');
    },
  },
];

/**
 * Windows end at steps 4, 7, 11, 14 and so on, checkpoints are at 10 and 20: the step that the job goes back to tells which of them it was.
 */
const goesBackTo =
  (step: number): ((job: Job) => string | undefined) =>
  ({ events }) =>
    events.some(({ message }) => message.includes(`step ${step}, from copies at peers`)) ? undefined : `it did not go back to step ${step}`;

const sharded: readonly Scenario[] = (
  [
    ['forward', 'worker-b', 13, 11],
    ['all-gather', 'worker-a', 13, 11],
    ['snapshot', 'worker-c', 14, 11],
  ] as const
).map(([phase, worker, step, back]) => ({
  name: `owner-killed-in-${phase}`,
  story: `${worker}, which alone has the moments of its part, is killed in ${phase} of step ${step}`,
  isSharded: true,
  workers: 3,
  minWorkers: 2,
  redone: 4,
  faults: { [worker]: `${step}/${phase}/kill` },
  check: goesBackTo(back),
}));

const joining: readonly Scenario[] = [
  {
    name: 'one-seven-three-five',
    story: 'one worker becomes seven, then three, then five',
    workers: 1,
    steps: 160,
    recoveryMs: 20_000,
    async act({ atStep, addWorker, until, kill }) {
      const size = (count: number) => until(`${count} members`, ({ members }) => members.length === count);
      await atStep(3);
      for (const name of ['worker-b', 'worker-c', 'worker-d', 'worker-e', 'worker-f', 'worker-g']) await addWorker(name);
      await size(7);
      // The last to join hold the state once a step of all seven is committed.
      let since: { readonly generation: number; readonly step: number } | undefined;
      await until('a step of seven', ({ members, generation, progress }) => {
        const step = progress?.step ?? 0;
        if (since?.generation !== generation) since = { generation, step };
        return members.length === 7 && step > since.step;
      });
      kill('worker-a', 'worker-c', 'worker-d', 'worker-g');
      await size(3);
      for (const name of ['worker-h', 'worker-i']) await addWorker(name);
      await size(5);
    },
  },
  {
    name: 'joiner-dies-healing',
    story: 'a worker that joins is killed while it pulls the state',
    steps: 120,
    async act({ atStep, addWorker, struck }) {
      await atStep(3);
      await addWorker('worker-c', { faults: '*/heal/kill' });
      await struck('worker-c');
    },
  },
  {
    name: 'joiner-stops-healing',
    story: 'a worker that joins stops for good while it pulls the state',
    steps: 120,
    async act({ atStep, addWorker, struck }) {
      await atStep(3);
      await addWorker('worker-c', { faults: '*/heal/stop' });
      await struck('worker-c');
    },
  },
  {
    name: 'source-dies-serving',
    story: 'the worker that a joiner pulls the state from is killed meanwhile',
    steps: 120,
    faults: { 'worker-a': '*/serve/kill' },
    async act({ atStep, addWorker, struck }) {
      await atStep(3);
      await addWorker('worker-c');
      await struck('worker-a');
    },
  },
];

const stops: readonly Scenario[] = [
  {
    name: 'stop-below-timeout',
    story: 'a worker is stopped for half the failure timeout',
    async act({ atStep, mark, cluster }) {
      await atStep(8);
      mark();
      cluster.kill('worker-b', 'SIGSTOP');
      await delay(FAILURE_TIMEOUT_MS / 2);
      cluster.resume('worker-b');
    },
    check: ({ generation }) => (generation === 1 ? undefined : `it took ${generation} views`),
  },
  {
    name: 'zombie',
    story: 'a worker is stopped until the others have gone on without it, and then goes on itself',
    steps: 160,
    async act({ atStep, mark, cluster, until }) {
      const { generation } = await atStep(8);
      mark();
      cluster.kill('worker-b', 'SIGSTOP');
      const { progress } = await until('the next view', (job) => job.generation > generation);
      await atStep(progress!.step + 3);
      cluster.resume('worker-b');
    },
  },
  {
    name: 'zombie-first',
    story: 'the first member is stopped until the others have gone on without it, and then goes on itself',
    steps: 160,
    async act({ atStep, mark, cluster, until }) {
      const { generation } = await atStep(8);
      mark();
      cluster.kill('worker-a', 'SIGSTOP');
      const { progress } = await until('the next view', (job) => job.generation > generation);
      await atStep(progress!.step + 3);
      cluster.resume('worker-a');
    },
  },
];

const leaving: readonly Scenario[] = [
  {
    name: 'sigterm',
    story: 'a worker is told to end, and leaves at a step boundary',
    async act({ atStep, mark, cluster }) {
      await atStep(9);
      mark();
      const ended = cluster.ended('worker-b');
      cluster.kill('worker-b', 'SIGTERM');
      const how = await ended;
      if (how !== 'exit code 0') throw new Error(`worker-b ended with ${how}`);
    },
    recoveryMs: 3000,
  },
  {
    name: 'sigterm-first',
    story: 'the first member is told to end, and leaves at a step boundary',
    async act({ atStep, mark, cluster }) {
      await atStep(9);
      mark();
      const ended = cluster.ended('worker-a');
      cluster.kill('worker-a', 'SIGTERM');
      const how = await ended;
      if (how !== 'exit code 0') throw new Error(`worker-a ended with ${how}`);
    },
    recoveryMs: 3000,
  },
  {
    name: 'drain',
    story: 'a worker is drained, and leaves at a step boundary',
    steps: 120,
    async act({ atStep, mark, client, until }) {
      await atStep(9);
      mark();
      await client.drainWorker('worker-b');
      await until('it to leave', ({ members }) => members.length === 1);
    },
    recoveryMs: 3000,
  },
  {
    name: 'pauses',
    story: 'the job is paused and resumed twice, in the middle of an epoch, and loses a worker meanwhile',
    async act({ atStep, client, until, cluster, jobId }) {
      for (const [step, victim] of [
        [9, 'worker-a'],
        [23, undefined],
      ] as const) {
        await atStep(step);
        await client.pauseJob(jobId());
        await until('the pause', ({ state }) => state === 'paused');
        if (victim !== undefined) cluster.kill(victim);
        await client.resumeJob(jobId());
      }
    },
  },
  {
    name: 'resumes',
    story: 'the job is cancelled and resumed twice, in the middle of an epoch, on other workers each time',
    workers: 3,
    async act({ atStep, resubmit }) {
      await atStep(9);
      await resubmit({ maxWorkers: 1 });
      await atStep(23);
      await resubmit({ maxWorkers: 2 });
    },
  },
];

const coordinatorDies: readonly Scenario[] = [
  {
    name: 'coordinator-starting',
    story: 'the coordinator is killed while the job starts',
    async act({ until, kill, cluster }) {
      await until('the start', ({ state }) => state === 'starting');
      kill('coordinator');
      await cluster.restart('coordinator');
    },
  },
  {
    name: 'coordinator-running',
    story: 'the coordinator is killed while the job runs',
    async act({ atStep, kill, cluster }) {
      await atStep(9);
      kill('coordinator');
      await cluster.restart('coordinator');
    },
  },
  {
    name: 'coordinator-view-change',
    story: 'a worker is killed, and the coordinator while the next view forms',
    workers: 3,
    async act({ atStep, kill, cluster, until }) {
      const { generation } = await atStep(9);
      kill('worker-b');
      await until('the next view', (job) => job.generation > generation || job.state === 'starting');
      kill('coordinator');
      await cluster.restart('coordinator');
    },
  },
  {
    name: 'coordinator-and-worker',
    story: 'a worker is killed while there is no coordinator',
    workers: 3,
    async act({ atStep, kill, cluster }) {
      await atStep(9);
      kill('coordinator');
      kill('worker-c');
      await cluster.restart('coordinator');
    },
  },
  {
    name: 'coordinator-pausing',
    story: 'the coordinator is killed just after it was asked to pause the job',
    async act({ atStep, kill, client, cluster, until, jobId }) {
      await atStep(9);
      await client.pauseJob(jobId());
      kill('coordinator');
      await cluster.restart('coordinator');
      await until('the pause', ({ state }) => state === 'paused');
      await client.resumeJob(jobId());
    },
  },
  {
    name: 'coordinator-stopping',
    story: 'the coordinator is killed when the last step has been committed',
    async act({ atStep, cluster }) {
      await atStep(40);
      cluster.kill('coordinator'); // no step is left to wait for
      await cluster.restart('coordinator');
    },
  },
  {
    name: 'coordinator-twice',
    story: 'the coordinator is killed, and again as soon as it is back',
    async act({ atStep, kill, cluster }) {
      await atStep(9);
      kill('coordinator');
      await cluster.restart('coordinator');
      kill('coordinator');
      await cluster.restart('coordinator');
    },
  },
];

const redisDies: readonly Scenario[] = [
  {
    name: 'redis-killed',
    story: 'Redis is killed and started again',
    async act({ atStep, kill, cluster }) {
      await atStep(9);
      kill('redis');
      await cluster.restart('redis');
    },
  },
  {
    name: 'redis-away',
    story: 'Redis is away for longer than the failure timeout',
    async act({ atStep, kill, cluster }) {
      await atStep(9);
      kill('redis');
      await delay(PAST_TIMEOUT_MS);
      await cluster.restart('redis');
    },
  },
  {
    name: 'redis-and-coordinator',
    story: 'Redis and the coordinator are killed at once',
    async act({ atStep, kill, cluster }) {
      await atStep(9);
      kill('redis', 'coordinator');
      await cluster.restart('redis');
      await cluster.restart('coordinator');
    },
  },
  {
    name: 'power-cut',
    story: 'everything is killed at once, and started again',
    redone: 10,
    async act({ atStep, kill, cluster, restartWorker }) {
      await atStep(16);
      kill('redis', 'coordinator', 'worker-a', 'worker-b');
      await cluster.restart('redis');
      await cluster.restart('coordinator');
      await restartWorker('worker-a');
      await restartWorker('worker-b');
    },
  },
];

/** Cuts worker-b off from something for longer than the failure timeout. */
function partition(from: 'coordinator' | 'redis' | 'peers', extra: Partial<Scenario> = {}): Scenario {
  return {
    name: `partition-${from}`,
    story: `worker-b is cut off from ${from === 'peers' ? 'those who dial it' : from} alone, for longer than the failure timeout`,
    isProxied: true,
    steps: 160,
    async act({ atStep, mark, proxies }) {
      await atStep(9);
      mark();
      const proxy = proxies('worker-b')[from];
      proxy.cut();
      await delay(PAST_TIMEOUT_MS);
      proxy.heal();
    },
    ...extra,
  };
}

const network: readonly Scenario[] = [
  partition('coordinator'),
  partition('redis'),
  partition('peers'),
  {
    name: 'partition-all-peers',
    story: 'no worker reaches another, while all reach the coordinator',
    isProxied: true,
    steps: 160,
    async act({ atStep, mark, proxies }) {
      await atStep(9);
      mark();
      for (const name of ['worker-a', 'worker-b']) proxies(name).peers.cut();
      await delay(PAST_TIMEOUT_MS);
      for (const name of ['worker-a', 'worker-b']) proxies(name).peers.heal();
    },
    recoveryMs: 15_000,
  },
  {
    name: 'short-partition',
    story: 'worker-b is cut off from everything for half the failure timeout',
    isProxied: true,
    async act({ atStep, mark, proxies }) {
      await atStep(9);
      mark();
      for (const proxy of Object.values(proxies('worker-b'))) proxy.cut();
      await delay(FAILURE_TIMEOUT_MS / 2);
      for (const proxy of Object.values(proxies('worker-b'))) proxy.heal();
    },
  },
  {
    name: 'reset-peers',
    story: 'the connections between workers break, and can be made again',
    isProxied: true,
    async act({ atStep, mark, proxies }) {
      await atStep(9);
      mark();
      proxies('worker-b').peers.reset();
    },
  },
  {
    name: 'reset-coordinator',
    story: "a worker's control stream breaks, and can be made again",
    isProxied: true,
    async act({ atStep, mark, proxies }) {
      await atStep(9);
      mark();
      proxies('worker-b').coordinator.reset();
    },
  },
  {
    name: 'flipped-byte',
    story: 'one bit of a gradient changes on its way',
    isProxied: true,
    async act({ atStep, mark, proxies }) {
      await atStep(9);
      await proxies('worker-b').peers.flipByte(100_000, 'toClient');
      mark();
    },
    check: ({ generation }) => (generation > 1 ? undefined : 'nobody noticed'),
  },
  {
    name: 'slow-network',
    story: 'everything between worker-b and the rest takes 20 ms longer each way',
    isProxied: true,
    async act({ atStep, proxies }) {
      await atStep(5);
      for (const proxy of Object.values(proxies('worker-b'))) proxy.delay(20);
    },
  },
];

/** All scenarios, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  { name: 'quiet', story: 'nothing goes wrong, on three workers', workers: 3 },
  ...killsInPhase,
  ...otherFaults,
  ...sharded,
  ...joining,
  ...stops,
  ...leaving,
  ...coordinatorDies,
  ...redisDies,
  ...network,
];
