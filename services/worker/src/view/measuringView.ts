import { assertInternal } from '@maestro/protocol';
import { aborted } from '../process/signals.ts';
import type { MeasuringSession } from '../session/measuringSession.ts';
import { createEncodeProgram } from '../step/encodeProgram.ts';
import { runSteps } from '../step/runSteps.ts';
import type { ViewRunOptions } from './viewRun.ts';
import { openViewShards } from './viewShards.ts';

/** Options of one view of a measuring job, for its single member. */
export type MeasuringViewOptions = Omit<ViewRunOptions, 'session'> & { readonly session: MeasuringSession };

/**
 * Works for one view of a measuring job. There are no peers: a view starts from what this member has of earlier ones, or at step 0.
 * @throws the signal's reason, or the MaestroError that broke the view; `session.state` tells which steps it has.
 */
export async function runMeasuringView(options: MeasuringViewOptions): Promise<'finished' | 'held'> {
  const { session, view, room, logger, before, started, onPhase, signal } = options;
  const { jobId, schedule, measuring } = session;
  const { generation, startStep } = view;
  onPhase(startStep, 'forming');
  await before;
  signal.throwIfAborted();
  assertInternal(Math.max(0, session.state) >= startStep, `the view starts at step ${startStep}, it has ${session.state}`);
  session.state = startStep;
  const virtualRanks = Array.from({ length: schedule.virtualRanks }, (_, rank) => rank);
  const shards = await openViewShards({ ...options, virtualRanks });
  try {
    options.onFormed(startStep === 0 ? measuring.stateHash : '');
    await Promise.race([started, aborted(signal)]);
    signal.throwIfAborted();
    const { contents } = session;
    const outcome = await runSteps({
      ...options,
      program: createEncodeProgram({ ...options, contents }),
      contents,
      totalSteps: schedule.totalSteps,
      onWaiting: (reason) => options.onWaiting(reason === '' ? undefined : reason),
      startStep,
      shards,
      async onStep({ rankSeconds, ...report }) {
        options.onStep({ jobId, generation, ...report }, rankSeconds);
        await room(signal, () => onPhase(report.step, 'report'));
      },
    });
    if (outcome === 'finished') logger.info({ results: session.results }, 'measured');
    return outcome;
  } finally {
    await shards.close();
  }
}
