import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectJobClient, type JobClientOptions } from '@maestro/client';
import { type Device, isMaestroError, MaestroError, readEnvironment, readTls } from '@maestro/protocol';
import { startRedisServer } from '@maestro/redis';
import { LOOPBACK } from '../network/hostNetwork.ts';
import { makeNamespaceNetwork, type NamespaceNetwork } from '../network/namespaceNetwork.ts';
import type { NetworkId } from '../network/networkNames.ts';
import { type Environment, type KeepOptions, type KeptProcess, keepProcess } from './keptProcess.ts';
import { launchNode, type NodeProgram } from './launchNode.ts';
import { freeWorkerName, logFile, trustedNetwork, workerProgram } from './workerProgram.ts';

/** Deadline for a slow machine, hence long; a process that dies is reported at once. */
const START_TIMEOUT_MS = 120_000;
const POLL_MS = 50;

/** Options of {@link startCluster}. */
export interface ClusterOptions {
  readonly workers: number;
  readonly device?: Device;
  /** Threads per worker. Part of a job's identity: the same job on other thread counts has other bits. */
  readonly threads?: number;
  /** Folder of Redis data, checkpoints and logs. */
  readonly dataDir: string;
  /** Ports of the coordinator's gRPC and HTTP; 0 picks a free one. */
  readonly port?: number;
  readonly httpPort?: number;
  /** URL of a Redis to use instead of a private one. */
  readonly redisUrl?: string | undefined;
  /** True to give each process a network namespace with its own address, as on a separate host. Default false; needs root on Linux. */
  readonly networkNamespaces?: boolean;
  /** True to restart a process that dies. Default false. */
  readonly supervise?: boolean;
  /** Variables for the coordinator and all workers. */
  readonly env?: Environment;
  /** Called, with a sentence, for each process that ends or is restarted by the supervisor. */
  readonly onChange?: (sentence: string) => void;
  /** Called for messages of the processes to their parent, such as a fault about to strike. */
  readonly onMessage?: (name: string, message: unknown) => void;
}

/** A process of the cluster. */
export interface ClusterProcess {
  readonly name: string;
  /** Pid of the current process, or the last one. */
  readonly pid: number;
  readonly isRunning: boolean;
}

/** A running local cluster. Its processes are `coordinator`, `redis` unless an external one is used, and the workers by name. */
export interface Cluster {
  /** host:port of the coordinator's gRPC. The same after a restart, as is Redis's. */
  readonly coordinator: string;
  /** host:port of the coordinator's HTTP: the API and the dashboard. The same after a restart. */
  readonly http: string;
  readonly redisUrl: string;
  /** What the coordinator said at its start that its user should know. */
  readonly notice: string | undefined;
  /** Network of a cluster with namespaces. */
  readonly network: NetworkId | undefined;
  readonly processes: readonly ClusterProcess[];
  /** Starts one more worker; resolves with its name as soon as its process runs. `env` extends the variables of all workers. */
  addWorker(options?: { readonly name?: string; readonly env?: Environment }): Promise<string>;
  /** Sends a signal, SIGKILL by default; has no effect on a process that has ended. */
  kill(name: string, signal?: NodeJS.Signals): void;
  /** Resumes a process stopped by SIGSTOP. */
  resume(name: string): void;
  /**
   * Kills a process if it still runs, and restarts it under its name; `env` replaces that of `addWorker`, and is added for the coordinator.
   */
  restart(name: string, options?: { readonly env?: Environment }): Promise<void>;
  /** Resolves when the current process has ended, with a signal's name, or `exit code N`. */
  ended(name: string): Promise<string>;
  /** Resolves when `count` workers are connected to the coordinator. */
  connected(count: number): Promise<void>;
  /** Stops workers, coordinator and Redis, in this order. */
  stop(): Promise<void>;
}

/**
 * Starts redis, a coordinator and `workers` workers on this machine, and waits until all are connected. They end with this process.
 * @throws MaestroError when a process does not start, naming its log file.
 */
export async function startCluster({
  workers,
  device = 'cpu',
  threads = 1,
  dataDir,
  port = 0,
  httpPort = 0,
  redisUrl: givenRedisUrl,
  networkNamespaces = false,
  supervise = false,
  env = {},
  onChange = () => undefined,
  onMessage = () => undefined,
}: ClusterOptions): Promise<Cluster> {
  if (networkNamespaces && givenRedisUrl !== undefined)
    throw new MaestroError('invalid-argument', 'up: workers in network namespaces cannot reach the Redis at REDIS_URL; unset REDIS_URL');
  await mkdir(join(dataDir, 'logs'), { recursive: true });
  const namespaces: NamespaceNetwork | undefined = networkNamespaces ? await makeNamespaceNetwork() : undefined;
  const network = namespaces ?? LOOPBACK;
  const variables = readEnvironment({ ...process.env, ...env });
  /** Credentials of this process for the coordinator: the same as its workers'. */
  const proof: JobClientOptions = { token: variables['MAESTRO_TOKEN'], tls: readTls(variables) };
  const kept = new Map<string, KeptProcess>();
  let redisUrl = givenRedisUrl;
  let coordinator = '';
  let http = '';
  let notice: string | undefined;
  let isUp = false;
  let failStart: (error: MaestroError) => void = () => undefined;
  const startFailed = new Promise<never>((_, reject) => {
    failStart = reject;
  });
  startFailed.catch(() => undefined); // only the start waits for it

  const keep = async (name: string, launch: KeepOptions['launch'], ownEnv: Environment = {}): Promise<void> => {
    const say = (sentence: string): void => {
      if (isUp) onChange(sentence);
      else failStart(new MaestroError('unavailable', `up: ${sentence}; see ${logFile(dataDir, name)}`));
    };
    const process = keepProcess({ name, env: ownEnv, launch, isSupervised: () => supervise && isUp, onChange: say });
    kept.set(name, process);
    await process.started;
  };
  const launch = (program: NodeProgram) => launchNode({ ...program, onMessage: (message) => onMessage(program.name, message) });

  const keepRedis = (): Promise<void> =>
    keep('redis', async () => {
      const { address: host, enter } = await network.place('redis');
      const server = await startRedisServer({
        dir: join(dataDir, 'redis'),
        host,
        enter,
        ...(redisUrl !== undefined && { port: Number(new URL(redisUrl).port) }),
      });
      redisUrl = server.url;
      return server;
    });

  const keepCoordinator = (): Promise<void> =>
    keep('coordinator', async (now, onStart) => {
      const { address, enter } = await network.place('coordinator');
      const listen = coordinator === '' ? `${address}:${port}` : coordinator;
      const launched = await launch({
        name: 'coordinator',
        entry: 'coordinator/dist/main.js',
        hides: ['MAESTRO_TOKEN', 'REDIS_URL'],
        env: {
          MAESTRO_REDIS_URL: redisUrl!,
          MAESTRO_DATA_DIR: dataDir,
          ...trustedNetwork(address),
          ...env,
          ...now,
          MAESTRO_GRPC_LISTEN: listen,
          MAESTRO_HTTP_LISTEN: http === '' ? `${address}:${httpPort}` : http,
        },
        enter,
        logFile: logFile(dataDir, 'coordinator'),
      });
      onStart(launched);
      const told = await launched.listening;
      coordinator = told.listening;
      http = told.http ?? http;
      notice = told.notice;
      return launched;
    });

  const keepWorker = (name: string, ownEnv: Environment): Promise<void> =>
    keep(
      name,
      async (now) => {
        const setup = { coordinator, redisUrl: redisUrl!, dataDir, device, threads };
        return launch(workerProgram(name, setup, await network.place(name), { ...env, ...now }));
      },
      ownEnv,
    );

  const find = (name: string): KeptProcess => {
    const process = kept.get(name);
    if (process === undefined)
      throw new MaestroError('not-found', `cluster: no process ${name}; the processes are ${[...kept.keys()].join(', ')}`);
    return process;
  };

  const stop = async (): Promise<void> => {
    const all = [...kept.values()];
    const named = (name: string) => all.filter((process) => process.name === name);
    // Workers first: the coordinator releases them from their jobs, and the last one writes a checkpoint.
    await Promise.all(all.filter(({ name }) => name !== 'coordinator' && name !== 'redis').map((process) => process.stop()));
    await Promise.all(named('coordinator').map((process) => process.stop()));
    await Promise.all(named('redis').map((process) => process.stop()));
    await network.close();
  };

  const start = async (signal: AbortSignal): Promise<void> => {
    if (givenRedisUrl === undefined) await keepRedis();
    signal.throwIfAborted();
    await keepCoordinator();
    for (let i = 0; i < workers; i++) {
      signal.throwIfAborted();
      await keepWorker(freeWorkerName(new Set(kept.keys())), {});
    }
    await allConnected(coordinator, proof, workers, signal);
  };

  try {
    await inTime((signal) => Promise.race([start(signal), startFailed]), 'the cluster to start');
    isUp = true;
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    coordinator,
    http,
    redisUrl: redisUrl!,
    network: namespaces?.id,
    get notice() {
      return notice;
    },
    get processes() {
      return [...kept.values()].map(({ name, pid, isRunning }) => ({ name, pid, isRunning }));
    },
    async addWorker({ name = freeWorkerName(new Set(kept.keys())), env: ownEnv = {} } = {}) {
      if (kept.has(name)) throw new MaestroError('conflict', `cluster: process ${name} already exists`);
      await keepWorker(name, ownEnv);
      onChange(`${name} started (process ${find(name).pid})`);
      return name;
    },
    kill: (name, signal = 'SIGKILL') => find(name).kill(signal),
    resume: (name) => find(name).kill('SIGCONT'),
    restart: (name, options) => find(name).restart(options?.env),
    ended: (name) => find(name).ended,
    connected: (count) => inTime((signal) => allConnected(coordinator, proof, count, signal), `${count} workers to connect`),
    stop,
  };
}

/** Polls until this many workers are connected; retries while the coordinator is unreachable. */
async function allConnected(coordinator: string, proof: JobClientOptions, count: number, signal: AbortSignal): Promise<void> {
  const client = connectJobClient(coordinator, proof);
  const connected = async (): Promise<number> => {
    try {
      return (await client.listWorkers()).length;
    } catch (error) {
      if (!isMaestroError(error, 'unavailable')) throw error;
      return -1;
    }
  };
  try {
    while (!signal.aborted && (await connected()) < count) await delay(POLL_MS);
  } finally {
    client.close();
  }
}

/** Aborts `work` with a `timeout` when it takes too long. */
async function inTime(work: (signal: AbortSignal) => Promise<void>, what: string): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new MaestroError('timeout', `cluster: waited ${START_TIMEOUT_MS / 1000} s for ${what}`)),
    START_TIMEOUT_MS,
  );
  const isLate = new Promise<never>((_, reject) => late.signal.addEventListener('abort', () => reject(late.signal.reason), { once: true }));
  try {
    await Promise.race([work(late.signal), isLate]);
  } catch (error) {
    late.abort(error);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
