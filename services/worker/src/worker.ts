import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Collective } from '@maestro/collective';
import type { CoordinatorMessage, Heartbeat, View } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { openControlStream } from './controlStream.ts';
import { type MemberRun, startMember } from './member.ts';
import { runtimeIdentity } from './runtimeIdentity.ts';

/** How a worker process is set up. */
export interface WorkerOptions {
  readonly name: string;
  /** host:port of the coordinator. */
  readonly coordinator: string;
  readonly redisUrl: string;
  /** Where artifacts and checkpoints go; the same folder for all workers of a job. */
  readonly dataDir: string;
  readonly device: 'cpu' | 'cuda';
  /** Threads of one run of the training graph. Part of a job's identity. */
  readonly threads: number;
  readonly collective: Collective;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const RECONNECT_MS = 500;

/**
 * Serves jobs until `signal` aborts: attaches to the coordinator, works for one view at a time, attaches again when the connection
 * is lost. A member that is cut off from the coordinator ends its part of the job.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { name, coordinator, device, threads, collective, logger, signal } = options;
  const idle: Heartbeat = { jobId: '', generation: 0, step: 0, phase: '' };
  const id = `${name}:${randomUUID()}`;
  let lastProblem = '';

  while (!signal.aborted) {
    const current: { member?: MemberRun } = {};
    const onMessage = (message: CoordinatorMessage): void => {
      if (message.kind === 'welcome') {
        lastProblem = '';
        logger.info({ coordinator, incarnation: message.incarnation }, 'attached');
      } else if (message.kind === 'view') {
        current.member = begin(message);
      } else if (message.kind === 'go' || message.kind === 'stop') {
        const { member } = current;
        if (member?.view.generation === message.generation && member.view.jobId === message.jobId) {
          if (message.kind === 'go') member.go();
          else member.stop({ reason: message.reason, writeCheckpoint: message.writeCheckpoint });
        }
      }
    };
    const begin = (view: View): MemberRun => {
      const before = current.member?.ended ?? Promise.resolve();
      return startMember({ ...options, view, self: id, before, send: stream.send });
    };
    const hello = {
      name,
      id,
      address: collective.address ?? '',
      device,
      threads,
      pid: process.pid,
      host: hostname(),
      buildJson: JSON.stringify(runtimeIdentity()),
    };
    const stream = openControlStream({ coordinator, hello, heartbeat: () => current.member?.heartbeat() ?? idle, onMessage });
    const leave = (): void => {
      const { member } = current;
      const writeCheckpoint = member?.view.members.length === 1;
      const left = member?.stop({ reason: 'it was told to end (SIGTERM)', writeCheckpoint }) ?? Promise.resolve();
      void left.then(() => stream.close());
    };
    signal.addEventListener('abort', leave, { once: true });
    const reason = await stream.ended;
    signal.removeEventListener('abort', leave);
    await current.member?.stop({ reason: `the coordinator was lost: ${reason.message}`, writeCheckpoint: true });
    if (signal.aborted) return;
    if (reason.code === 'conflict') throw reason;
    if (reason.message !== lastProblem) logger.warn({ reason: reason.message }, 'detached from the coordinator, trying again');
    lastProblem = reason.message;
    await pause(RECONNECT_MS, signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
