import { randomBytes, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { describeNative } from '@maestro/native';
import { type CoordinatorMessage, type Heartbeat, isMaestroError, MaestroError, type WorkerMessage } from '@maestro/protocol';
import { openMember, type WorkerMember } from '../member/openMember.ts';
import { type ControlStream, openControlStream } from './controlStream.ts';
import { createOpeningTurns } from './openingTurns.ts';
import { runtimeIdentity } from './runtimeIdentity.ts';
import { pause } from './signals.ts';
import type { WorkerOptions } from './workerOptions.ts';

/**
 * Limits the messages that wait for an absent coordinator; the oldest are dropped first. Steps are not among them: members keep those
 * themselves.
 */
const MOST_WAITING = 1000;
/**
 * Failure timeouts for which a refusal is retried: a restarted worker may meet its own previous incarnation, which a restarted coordinator
 * gives time to come back.
 */
const REFUSED_TIMEOUTS = 4;
/** Interval at which the worker sends its metrics to the coordinator, while it works for a job; less often while it is free. */
const METRICS_MS = 5000;
const IDLE_METRICS_EVERY = 6;
/** Messages that must reach the coordinator, even a later one. */
const LASTING: ReadonlySet<WorkerMessage['kind']> = new Set(['checkpoint', 'checkpointFailed', 'skipped']);

/**
 * Serves jobs until `signal` aborts. Its work survives its connection: while the coordinator is away it continues, and reports its standing
 * on reconnecting. When told to end, it asks to be released at the next step boundary.
 *
 * @throws MaestroError `conflict` when another worker has its name, `timeout` when it was released from a job and cannot leave it.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { name, coordinator, compute, collective, timeouts, metrics, onAttached = () => undefined, logger, signal } = options;
  const id = `${name}:${randomUUID()}`;
  const sessionKey = randomBytes(16).toString('hex');
  const native = describeNative();
  let member: WorkerMember | undefined;
  const openInTurn = createOpeningTurns();
  let stream: ControlStream | undefined;
  let isAttached = false;
  let incarnation = 0;
  let lastProblem = '';
  let refusedSinceMs: number | undefined;
  let waiting: WorkerMessage[] = [];
  /** The newest reported checkpoint: repeated to the next coordinator, since the last one may have died before persisting it. */
  let lastCheckpoint: Extract<WorkerMessage, { kind: 'checkpoint' }> | undefined;

  const send = (message: WorkerMessage): void => {
    if (message.kind === 'checkpoint') lastCheckpoint = message;
    if (isAttached) stream?.send(message);
    else if (LASTING.has(message.kind)) waiting = [...waiting, message].slice(-MOST_WAITING);
  };
  const idle: Heartbeat = { jobId: '', generation: 0, step: 0, phase: '', phaseSeconds: 0, waitingFor: '', rankSeconds: 0 };

  const attach = (message: Extract<CoordinatorMessage, { kind: 'welcome' }>): void => {
    if (message.incarnation < incarnation) {
      logger.warn({ coordinator, incarnation: message.incarnation, newest: incarnation }, 'an older coordinator answered');
      stream?.close();
      return;
    }
    if (message.failureTimeoutMs !== timeouts.silenceMs) {
      logger.warn(
        { here: timeouts.silenceMs, coordinator: message.failureTimeoutMs },
        'MAESTRO_FAILURE_TIMEOUT_MS differs from the coordinator; give all processes the same',
      );
    }
    incarnation = message.incarnation;
    lastProblem = '';
    refusedSinceMs = undefined;
    isAttached = true;
    onAttached(true);
    logger.info({ coordinator, incarnation }, 'attached');
    const late = waiting;
    waiting = [];
    if (lastCheckpoint !== undefined && lastCheckpoint.jobId === member?.jobId && !late.includes(lastCheckpoint)) send(lastCheckpoint);
    for (const each of late) send(each);
    // Reports what changed between the hello and the welcome.
    if (member !== undefined) send({ kind: 'standing', ...member.standing() });
    if (signal.aborted && member !== undefined) send({ kind: 'drain', jobId: member.jobId, reason: DRAIN_REASON });
  };

  const prepare = ({ jobId, specJson }: Extract<CoordinatorMessage, { kind: 'prepare' }>): void => {
    if (member !== undefined) {
      send({ kind: 'standing', ...member.standing() });
      return;
    }
    const started = openInTurn((before) => openMember({ ...options, jobId, specJson, self: id, before, send }));
    member = started;
    void started.ended.then(() => {
      if (member === started) member = undefined;
      expectToLeave(started);
    });
  };

  const onMessage = (message: CoordinatorMessage): void => {
    if (message.kind === 'welcome') return attach(message);
    if (message.kind === 'prepare') return prepare(message);
    if (message.kind === 'refused') return;
    if (member?.jobId !== message.jobId) {
      // The coordinator's view of this worker is wrong.
      const isOver = message.kind === 'view' || message.kind === 'release';
      const nothing = {
        generation: 0,
        step: -1,
        outcome: 'released',
        errorCode: '',
        errorMessage: 'it does not work for the job',
      } as const;
      if (isOver) send({ kind: 'left', jobId: message.jobId, ...nothing });
      return;
    }
    if (message.kind === 'view') member.view(message);
    else if (message.kind === 'go') member.go(message.generation);
    else if (message.kind === 'hold') member.hold(message);
    else if (message.kind === 'acknowledge') member.acknowledge(message.step);
    else if (message.kind === 'save') member.save();
    else {
      member.release(message);
      if (!message.writeCheckpoint) expectToLeave(member);
    }
  };

  let giveUp: (error: MaestroError) => void = () => undefined;
  const stuck = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  stuck.catch(() => undefined); // reported by the loop below
  /** A member that was released, usually for lack of progress, and cannot leave: only a new process can help. */
  const expectToLeave = (leaving: WorkerMember): void => {
    const tell = (): void => {
      const { phase, step } = leaving.heartbeat();
      const message =
        `worker ${name} could not leave job ${leaving.jobId} within ${timeouts.progressMs / 1000} s (step ${step}, ` +
        `${phase}); it ends so that it can be started again`;
      giveUp(new MaestroError('timeout', message));
    };
    const timer = setTimeout(tell, timeouts.progressMs);
    void leaving.closed.then(() => clearTimeout(timer));
  };

  const end = (): void => {
    if (member === undefined) stream?.close();
    else if (isAttached) send({ kind: 'drain', jobId: member.jobId, reason: DRAIN_REASON });
    // Nobody is there to arrange a boundary: the peers continue from the last step.
    else member.release({ reason: DRAIN_REASON, writeCheckpoint: true });
    void member?.ended.then(() => stream?.close());
  };
  signal.addEventListener('abort', end, { once: true });

  let beats = 0;
  const tellMetrics = async (): Promise<void> => {
    if (!isAttached || (member === undefined && beats++ % IDLE_METRICS_EVERY !== 0)) return;
    const familiesJson = JSON.stringify(await metrics.read());
    send({ kind: 'metrics', jobId: '', familiesJson });
  };
  const metricsTimer = setInterval(() => {
    tellMetrics().catch((error: unknown) => logger.warn({ error }, 'metrics could not be read'));
  }, METRICS_MS);

  while (!signal.aborted || member !== undefined) {
    const hello = () => ({
      name,
      id,
      address: collective.address ?? '',
      device: compute.device,
      threads: compute.threads,
      pid: process.pid,
      host: hostname(),
      buildJson: JSON.stringify(runtimeIdentity()),
      incarnation,
      standing: member?.standing() ?? null,
      sessionKey,
      operators: native.isa === undefined ? 0 : native.version,
      kernels: native.isa ?? native.reason ?? '',
    });
    stream = openControlStream({
      coordinator,
      tls: options.tls,
      hello: hello(),
      timeouts,
      heartbeat: () => member?.heartbeat() ?? idle,
      onMessage,
    });
    const reason = await Promise.race([stream.ended, stuck]);
    isAttached = false;
    onAttached(false);
    if (signal.aborted && member !== undefined) member.release({ reason: DRAIN_REASON, writeCheckpoint: true });
    if (signal.aborted) break;
    if (isMaestroError(reason, 'conflict') || isMaestroError(reason, 'protocol-violation')) {
      refusedSinceMs ??= Date.now();
      if (Date.now() - refusedSinceMs > REFUSED_TIMEOUTS * timeouts.silenceMs) throw reason;
    }
    if (reason.message !== lastProblem) logger.warn({ reason: reason.message }, 'detached from the coordinator, trying again');
    lastProblem = reason.message;
    await pause(timeouts.reconnectMs, signal);
  }
  await member?.ended;
  clearInterval(metricsTimer);
  stream?.close();
}

const DRAIN_REASON = 'it was told to end (SIGTERM)';
