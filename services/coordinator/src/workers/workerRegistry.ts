import { hostname } from 'node:os';
import { type CoordinatorMessage, type Hello, isAlive, MaestroError, type WorkerInfo } from '@maestro/protocol';
import type { RunWorker } from '../run/state/runState.ts';

/** Connection to a worker. */
export interface WorkerConnection {
  send(message: CoordinatorMessage): void;
  /** Ends the stream. */
  close(): void;
}

/** A worker that has a control stream. */
export interface ConnectedWorker {
  readonly hello: Hello;
  readonly connection: WorkerConnection;
  /** Its job; empty while it is free. */
  jobId: string;
  isDrained: boolean;
}

/** The connected workers: one per name. */
export interface WorkerRegistry {
  get(id: string): ConnectedWorker | undefined;
  all(): ConnectedWorker[];
  /** @throws MaestroError `not-found` when none has this name. */
  named(name: string): ConnectedWorker;
  /**
   * Makes room for a worker: closes one with its name if it is the same worker, or its process is known to be gone. A name and an id belong
   * to their session until it is lost: also those of `previous`, workers with this name that jobs have and that may come back.
   * @throws MaestroError `conflict` when another process has the name.
   */
  requireName(hello: Hello, previous: readonly RunWorker[]): void;
  add(worker: ConnectedWorker): void;
  /** Returns true when it is connected by this stream. */
  has(worker: ConnectedWorker): boolean;
  forget(id: string): void;
}

/** Returns whether a worker's process is known to have ended, seen from the host of the newcomer that wants its name. */
export type IsGone = (process: { readonly pid: number; readonly host: string }, newcomer: Hello) => boolean;

/** Creates an empty registry; `onGone` is called for each worker that leaves it. */
export function createWorkerRegistry({
  onGone,
  isGone = hasEnded,
}: {
  readonly onGone: (id: string) => void;
  readonly isGone?: IsGone;
}): WorkerRegistry {
  const workers = new Map<string, ConnectedWorker>();
  const withName = (name: string): ConnectedWorker[] => [...workers.values()].filter(({ hello }) => hello.name === name);
  const forget = (id: string): void => {
    workers.delete(id);
    onGone(id);
  };
  return {
    get: (id) => workers.get(id),
    all: () => [...workers.values()],
    named(name) {
      const [worker] = withName(name);
      if (worker === undefined) throw new MaestroError('not-found', `worker ${name}: not connected; \`maestro workers\` lists all`);
      return worker;
    },
    requireName(hello, previous) {
      const { name, id } = hello;
      const taken = (by: { readonly pid: number; readonly host: string }, advice: string): MaestroError =>
        new MaestroError('conflict', `worker ${name}: the name is taken by process ${by.pid} on ${by.host}; ${advice}`);
      const connected = withName(name);
      for (const { hello: other } of connected) {
        if (other.id === id ? other.sessionKey !== hello.sessionKey : !isGone(other, hello)) {
          throw taken(other, 'give each worker a unique name');
        }
      }
      for (const { id: other, sessionKey, pid, host } of previous) {
        // Records of older versions do not identify their owner.
        if (sessionKey === undefined || pid === undefined || host === undefined) continue;
        if (other === id ? sessionKey !== hello.sessionKey : !isGone({ pid, host }, hello)) {
          throw taken({ pid, host }, 'the name becomes free once that worker is lost');
        }
      }
      for (const { hello: other, connection } of connected) {
        forget(other.id);
        connection.close();
      }
    },
    add: (worker) => void workers.set(worker.hello.id, worker),
    has: (worker) => workers.get(worker.hello.id) === worker,
    forget,
  };
}

/** Returns true when a process of this machine, on which `newcomer` was started too, has ended. */
function hasEnded({ pid, host }: { readonly pid: number; readonly host: string }, newcomer: Hello): boolean {
  return newcomer.host === host && host === hostname() && !isAlive(pid);
}

/** Returns a worker as clients see it. */
export function workerInfo({ hello, jobId, isDrained }: ConnectedWorker): WorkerInfo {
  const { name, id, address, device, threads, pid, host, operators, kernels } = hello;
  return { name, id, address, device, threads, pid, host, jobId, isDrained, operators, kernels };
}
