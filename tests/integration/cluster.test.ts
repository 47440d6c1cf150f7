import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { CLI, startCli } from '../support/cluster/runCli.ts';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 300_000;

let dir: string;
let cluster: Cluster | undefined;
let up: ChildProcess | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-cluster-'));
});

afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
  if (up !== undefined && up.exitCode === null && up.signalCode === null) {
    up.kill('SIGTERM');
    await once(up, 'exit');
  }
  up = undefined;
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}, TIMEOUT_MS);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const pidOf = (name: string): number => cluster!.processes.find((process) => process.name === name)!.pid;

test(
  'a supervised cluster starts again what was killed, at the same addresses, and says so in a line each',
  async () => {
    const lines: string[] = [];
    cluster = await startCluster({ workers: 1, dataDir: dir, supervise: true, onChange: (line) => lines.push(line) });
    expect(cluster.processes.map(({ name, isRunning }) => [name, isRunning])).toEqual([
      ['redis', true],
      ['coordinator', true],
      ['worker-a', true],
    ]);
    for (const name of ['worker-a', 'coordinator', 'redis']) {
      const before = pidOf(name);
      lines.length = 0;
      cluster.kill(name);
      await eventually(`${name} to be back`, () => lines.length === 2);
      expect(lines).toEqual([
        `${name} (process ${before}) ended: SIGKILL; restarting in 0.2 s`,
        `${name} restarted (process ${pidOf(name)})`,
      ]);
      expect(pidOf(name)).not.toBe(before);
      await cluster.connected(1);
    }
    lines.length = 0;
    const ended = cluster.ended('worker-a');
    cluster.kill('worker-a', 'SIGTERM');
    expect(await ended).toBe('exit code 0');
    await eventually('the line', () => lines.length === 1);
    expect(lines[0]).toMatch(/^worker-a \(process \d+\) ended: exit code 0$/);
  },
  TIMEOUT_MS,
);

test(
  'without supervision what is dead stays dead until it is told otherwise, workers can be added, and all end with stop',
  async () => {
    cluster = await startCluster({ workers: 1, dataDir: dir });
    expect(await cluster.addWorker()).toBe('worker-b');
    expect(await cluster.addWorker({ name: 'mine' })).toBe('mine');
    await expect(cluster.addWorker({ name: 'mine' })).rejects.toThrow('process mine already exists');
    await cluster.connected(3);
    const ended = cluster.ended('worker-b');
    cluster.kill('worker-b');
    expect(await ended).toBe('SIGKILL');
    expect(cluster.processes.find(({ name }) => name === 'worker-b')!.isRunning).toBe(false);

    const client = connectJobClient(cluster.coordinator);
    const names = async () => (await client.listWorkers()).map(({ name }) => name).sort();
    await eventually('the coordinator to see it gone', async () => (await names()).length === 2);
    await cluster.restart('worker-b');
    await eventually('it to be back', async () => (await names()).length === 3);
    const coordinatorBefore = pidOf('coordinator');
    await cluster.restart('coordinator'); // while it runs
    expect(pidOf('coordinator')).not.toBe(coordinatorBefore);
    await cluster.connected(3);
    client.close();

    cluster.kill('mine', 'SIGSTOP');
    const pids = cluster.processes.map(({ pid }) => pid);
    await cluster.stop();
    expect(pids.filter(isAlive)).toEqual([]);
    expect(() => cluster!.kill('nobody')).toThrow('no process nobody; the processes are redis, coordinator, worker-a, worker-b, mine');
  },
  TIMEOUT_MS,
);

test(
  'a coordinator that cannot listen fails the start, and nothing is left running',
  async () => {
    cluster = await startCluster({ workers: 0, dataDir: join(dir, 'first') });
    const port = Number(cluster.coordinator.split(':')[1]);
    await expect(startCluster({ workers: 1, dataDir: join(dir, 'second'), port })).rejects.toThrow(
      new RegExp(
        `^up: coordinator .* ended: exit code 1: cannot listen on 127\\.0\\.0\\.1:${port} for gRPC: the port is in use ` +
          '.*coordinator\\.log$',
      ),
    );
  },
  TIMEOUT_MS,
);

const SECRET = 'hunter2-hunter2-hunter2';
/** A proxy that is not there, empty variables as files of variables have them, and tokens. */
const UNHELPFUL = {
  http_proxy: 'http://127.0.0.1:1',
  https_proxy: 'http://127.0.0.1:1',
  HTTP_PROXY: 'http://127.0.0.1:1',
  no_proxy: '',
  REDIS_URL: '',
  MAESTRO_REDIS_URL: '',
  MAESTRO_COORDINATOR: '',
  MAESTRO_WORKER_NAME: '',
  MAESTRO_DEVICE: '',
  MAESTRO_FAILURE_TIMEOUT_MS: '',
  MAESTRO_TLS_CERT: '',
  MAESTRO_TOKENS: `me:admin:${SECRET}`,
  MAESTRO_TOKEN: SECRET,
};

/** `maestro up` with its lines, once it is ready. */
async function startUp(): Promise<{ readonly lines: string[]; readonly file: () => Promise<ClusterFile> }> {
  const child = startCli(['--data-dir', dir, 'up', '--workers', '1', '--port', '0'], dir, UNHELPFUL);
  up = child;
  const lines: string[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line));
  await eventually('the cluster', () => lines.some((line) => line.startsWith('ready')));
  return { lines, file: async () => JSON.parse(await readFile(join(dir, 'cluster.json'), 'utf8')) };
}

interface ClusterFile {
  readonly coordinator: string;
  readonly processes: readonly { readonly name: string; readonly pid: number; readonly isRunning: boolean }[];
}

test(
  '`maestro up` keeps cluster.json up to date, its processes end with it, kill -9 included; no proxy or empty variable is in its way',
  async () => {
    const { lines, file } = await startUp();
    const workerPid = async () => (await file()).processes.find(({ name }) => name === 'worker-a')!.pid;
    const before = await workerPid();
    process.kill(before, 'SIGKILL');
    const after = await eventually('the new process id', async () => {
      const pid = await workerPid();
      return pid !== before && pid;
    });
    expect(lines.slice(-2)).toEqual([
      `worker-a (process ${before}) ended: SIGKILL; restarting in 0.2 s`,
      `worker-a restarted (process ${after})`,
    ]);
    const { processes } = await file();
    expect(processes.map(({ pid }) => isAlive(pid))).toEqual([true, true, true]);
    if (process.platform === 'linux') {
      // A process that has just been started erases them before it does anything else.
      for (const { name, pid } of [{ name: 'up', pid: up!.pid! }, ...processes])
        await eventually(
          `no secret in the environment of ${name}`,
          async () => !(await readFile(`/proc/${pid}/environ`, 'latin1')).includes(SECRET),
        );
    }
    expect(lines.join('\n')).not.toContain(SECRET);
    up!.kill('SIGKILL');
    await eventually('all processes to end', () => !processes.some(({ pid }) => isAlive(pid)));
  },
  TIMEOUT_MS,
);

test(
  'Ctrl-C, which a terminal sends to the whole process group, ends workers in good order',
  async () => {
    // A group of its own, as a shell gives it.
    const child = spawn(process.execPath, [CLI, '--data-dir', dir, 'up', '--workers', '1', '--port', '0'], {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    up = child;
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    await eventually('the cluster', () => lines.some((line) => line.startsWith('ready')));
    process.kill(-child.pid!, 'SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(lines.at(-1)).toBe('stopping');
    expect(await readFile(join(dir, 'logs', 'worker-a.log'), 'utf8')).not.toContain('second signal');
  },
  TIMEOUT_MS,
);
