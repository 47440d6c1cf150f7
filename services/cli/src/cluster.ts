import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectJobClient } from '@maestro/client';
import { startRedisServer } from '@maestro/data';
import { MaestroError } from '@maestro/protocol';

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

/** What a local cluster is made of. */
export interface ClusterOptions {
  readonly workers: number;
  readonly device?: 'cpu' | 'cuda';
  /** Threads per worker. Part of a job's identity: the same job on other thread counts has other bits. */
  readonly threads?: number;
  /** Where Redis, checkpoints and logs are kept. */
  readonly dataDir: string;
  /** Port of the coordinator; 0 picks a free one. */
  readonly port?: number;
  /** Redis to use instead of a private one. */
  readonly redisUrl?: string | undefined;
}

/** A process of the cluster. */
export interface ClusterProcess {
  readonly name: string;
  readonly pid: number;
}

/** A running local cluster. */
export interface Cluster {
  /** host:port of the coordinator's gRPC. */
  readonly coordinator: string;
  readonly redisUrl: string;
  readonly processes: readonly ClusterProcess[];
  /** Resolves when a process of the cluster ends by itself, with a sentence that names it. */
  readonly broken: Promise<string>;
  /** Ends workers, coordinator and Redis, in this order. */
  stop(): Promise<void>;
}

/**
 * Starts redis, a coordinator and `workers` workers on this machine, and waits until all are connected.
 * @throws MaestroError when a process does not come up in time; its log file is named.
 */
export async function startCluster({
  workers,
  device = 'cpu',
  threads = 1,
  dataDir,
  port = 0,
  redisUrl,
}: ClusterOptions): Promise<Cluster> {
  const logDir = join(dataDir, 'logs');
  await mkdir(logDir, { recursive: true });
  const redis =
    redisUrl === undefined ? await startRedisServer({ dir: join(dataDir, 'redis') }) : { url: redisUrl, stop: async () => undefined };
  const children: { readonly name: string; readonly child: ChildProcess }[] = [];
  let isStopping = false;
  let reportBroken: (what: string) => void = () => undefined;
  const broken = new Promise<string>((resolve) => {
    reportBroken = resolve;
  });

  const start = (name: string, entry: string, env: Record<string, string>): ChildProcess => {
    const log = openSync(join(logDir, `${name}.log`), 'a');
    const path = fileURLToPath(new URL(`../../${entry}`, import.meta.url));
    const child = spawn(process.execPath, [path], {
      env: { ...process.env, MAESTRO_REDIS_URL: redis.url, MAESTRO_DATA_DIR: dataDir, ...env },
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    children.push({ name, child });
    child.once('exit', (code, signal) => {
      if (!isStopping)
        reportBroken(
          `${name} (process ${child.pid}) ended unexpectedly (${signal ?? `exit code ${code}`}); see ${join(logDir, `${name}.log`)}`,
        );
    });
    return child;
  };

  const stop = async (): Promise<void> => {
    isStopping = true;
    const [coordinators, others] = [
      children.filter(({ name }) => name === 'coordinator'),
      children.filter(({ name }) => name !== 'coordinator'),
    ];
    await Promise.all(coordinators.map(({ child }) => end(child)));
    await Promise.all(others.map(({ child }) => end(child)));
    await redis.stop();
  };

  try {
    const coordinator = await listeningAddress(
      start('coordinator', 'coordinator/dist/main.js', { MAESTRO_GRPC_LISTEN: `127.0.0.1:${port}` }),
      broken,
    );
    for (let i = 0; i < workers; i++) {
      const name = `worker-${String.fromCharCode(97 + (i % 26))}${i < 26 ? '' : Math.floor(i / 26)}`;
      start(name, 'worker/dist/main.js', {
        MAESTRO_COORDINATOR: coordinator,
        MAESTRO_WORKER_NAME: name,
        MAESTRO_DEVICE: device,
        MAESTRO_THREADS: String(threads),
        MAESTRO_COLLECTIVE_LISTEN: '127.0.0.1:0',
      });
    }
    await allConnected(coordinator, workers, broken);
    return { coordinator, redisUrl: redis.url, processes: children.map(({ name, child }) => ({ name, pid: child.pid! })), broken, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The address that a process announces once it listens. */
async function listeningAddress(child: ChildProcess, broken: Promise<string>): Promise<string> {
  const announced = new Promise<string>((resolve) => {
    child.on('message', (message) => resolve((message as { readonly listening: string }).listening));
  });
  return inTime(announced, broken, 'the coordinator to listen');
}

async function allConnected(coordinator: string, workers: number, broken: Promise<string>): Promise<void> {
  const client = connectJobClient(coordinator);
  const poll = async (): Promise<void> => {
    while ((await client.listWorkers()).length < workers) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  };
  try {
    await inTime(poll(), broken, `${workers} workers to connect`);
  } finally {
    client.close();
  }
}

async function inTime<Value>(wanted: Promise<Value>, broken: Promise<string>, what: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new MaestroError('timeout', `up: waited ${START_TIMEOUT_MS / 1000} s for ${what}`)), START_TIMEOUT_MS);
  });
  const failed = broken.then((reason) => {
    throw new MaestroError('unavailable', `up: ${reason}`);
  });
  try {
    return await Promise.race([wanted, late, failed]);
  } finally {
    clearTimeout(timer);
  }
}

/** SIGTERM, and SIGKILL for a process that does not end in time. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  child.kill('SIGTERM');
  await exited;
  clearTimeout(timer);
}
