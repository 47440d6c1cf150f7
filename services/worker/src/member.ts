import { errorMessage, type Heartbeat, isMaestroError, MaestroError, parseJobSpec, type View, type WorkerMessage } from '@maestro/protocol';
import { monitorEventLoop } from '@maestro/telemetry';
import { openTraining, type Training } from './openTraining.ts';
import { type Phase, trainLoop } from './trainLoop.ts';
import type { WorkerOptions } from './worker.ts';

/** How long a member whose collective was ended by a peer waits to be told what to do, in milliseconds; the coordinator sees a death within 5 s. */
const PEER_GRACE_MS = 6000;

/** Why and how a member is to stop. */
export interface StopRequest {
  readonly reason: string;
  /** Whether it writes a checkpoint of the last applied step before it leaves. */
  readonly writeCheckpoint: boolean;
}

/** A worker's part in one view of a job. */
export interface MemberRun {
  readonly view: View;
  /** All members have formed: the first step may begin. */
  go(): void;
  /** Ends the work at the next chance; resolves when it has ended. The first request counts. */
  stop(request: StopRequest): Promise<void>;
  heartbeat(): Heartbeat;
  /** Resolves when the member has left, for whatever reason. */
  readonly ended: Promise<void>;
}

/** What a member needs beside what its worker has. */
export interface MemberOptions extends WorkerOptions {
  readonly view: View;
  /** This worker's id in the view. */
  readonly self: string;
  /** The worker's earlier member; this one begins when it has ended. */
  readonly before: Promise<void>;
  readonly send: (message: WorkerMessage) => void;
}

/** Starts to work for a view: prepares, reports `formed`, trains after `go`, and reports how it left. */
export function startMember(options: MemberOptions): MemberRun {
  const { view, self, send, before } = options;
  const { jobId, generation, startStep, members } = view;
  const of = { jobId, generation };
  const isFirst = members[0]!.id === self;
  const logger = options.logger.child({ job: jobId, generation });
  const aborter = new AbortController();
  let request: StopRequest | undefined;
  let wake: () => void = () => undefined;
  const stopRequested = new Promise<void>((resolve) => {
    wake = resolve;
  });
  let start: () => void = () => undefined;
  const started = new Promise<void>((resolve) => {
    start = resolve;
  });
  let now: { step: number; phase: Phase } = { step: startStep, phase: 'starting' };
  let appliedStep = startStep;

  const leave = (outcome: 'finished' | 'stopped' | 'failed', error?: MaestroError): void => {
    const suspect = members.find(({ id }) => id === error?.details['member'])?.name ?? '';
    logger.info({ step: appliedStep, outcome, reason: error?.message ?? request?.reason }, 'left the job');
    send({
      kind: 'left',
      ...of,
      step: appliedStep,
      outcome,
      errorCode: error?.code ?? '',
      errorMessage: error?.message ?? request?.reason ?? '',
      suspect,
    });
  };

  const train = async (training: Training): Promise<void> => {
    const { spec, checkpointer, identity } = training;
    send({ kind: 'formed', ...of, step: startStep, ...identity });
    await Promise.race([started, aborted(aborter.signal)]);
    aborter.signal.throwIfAborted();
    const monitor = monitorEventLoop();
    try {
      await trainLoop({
        ...training,
        startStep,
        signal: aborter.signal,
        onPhase: (step, phase) => {
          now = { step, phase };
        },
        onSkipped: (step, images) => send({ kind: 'skipped', ...of, step, images }),
        onStep: async ({ step, loss, gradNorm, lr, images, stepSeconds, ranks }) => {
          appliedStep = step;
          if (!isFirst) return;
          send({ kind: 'committed', ...of, step, loss, gradNorm, lr, images, stepSeconds, ranks });
          if (step % spec.checkpoint.everySteps === 0 && step < training.schedule.totalSteps) await checkpointer.begin(step);
        },
      });
    } finally {
      logger.info({ eventLoopDelay: monitor.read(), ...memoryBytes() }, 'event loop and memory');
      monitor.close();
    }
    now = { step: appliedStep, phase: 'checkpoint' };
    if (isFirst) await checkpointer.write(appliedStep);
  };

  const work = async (): Promise<void> => {
    await before;
    let training: Training | undefined;
    try {
      training = await openTraining({ ...options, spec: parseJobSpec(JSON.parse(view.specJson)), logger, signal: aborter.signal });
      await train(training);
      leave('finished');
    } catch (caught) {
      let error = isMaestroError(caught) ? caught : new MaestroError('internal', `internal: ${errorMessage(caught)}`, { cause: caught });
      // A peer that is lost, or left and said so, is the coordinator's to judge: it is given time to decide.
      const isByPeer = error.code === 'peer-lost' || error.details['reporter'] !== undefined;
      if (request === undefined && isByPeer) await Promise.race([stopRequested, delay(PEER_GRACE_MS)]);
      now = { step: appliedStep, phase: 'stopping' };
      const isAlone = members.length === 1;
      try {
        if (training !== undefined && appliedStep > startStep && (request?.writeCheckpoint ?? isAlone))
          await training.checkpointer.write(appliedStep);
      } catch (failure) {
        logger.error({ step: appliedStep, error: failure }, 'last checkpoint failed');
        if (request === undefined) error = isMaestroError(failure) ? failure : error;
      }
      if (request !== undefined) leave('stopped');
      else {
        logger.error({ step: appliedStep, error }, 'member failed');
        leave('failed', error);
      }
    } finally {
      await training?.close().catch((error: unknown) => logger.error({ error }, 'closing the training failed'));
    }
  };
  const ended = work();

  return {
    view,
    go: start,
    stop(asked) {
      if (request === undefined) {
        request = asked;
        aborter.abort(new MaestroError('cancelled', asked.reason));
        wake();
      }
      return ended;
    },
    heartbeat: () => ({ ...of, ...now }),
    ended,
  };
}

function memoryBytes(): { readonly rssBytes: number; readonly peakRssBytes: number } {
  return { rssBytes: process.memoryUsage.rss(), peakRssBytes: process.resourceUsage().maxRSS * 1024 };
}

function aborted(signal: AbortSignal): Promise<void> {
  return signal.aborted ? Promise.resolve() : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
