import { errorMessage, isMaestroError, isTraining, parseJobSpec, requireConfined } from '@maestro/protocol';
import { pause } from '../process/signals.ts';
import type { WorkerOptions } from '../process/workerOptions.ts';
import type { JobSessionOptions } from '../session/jobSessionOptions.ts';
import { openJobSession } from '../session/openJobSession.ts';
import { openMeasuringSession } from '../session/openMeasuringSession.ts';
import { type MemberSession, measuringSession, trainingSession } from './memberSession.ts';

/** Interval between attempts to open a job's resources while Redis or a file system is unreachable, in milliseconds. */
const REOPEN_MS = 1000;

/** Options of {@link openSession}. */
export interface OpenSessionOptions extends Omit<JobSessionOptions, 'spec' | 'onStage'>, Pick<WorkerOptions, 'roots'> {
  /** The job file, as the coordinator sent it. */
  readonly specJson: string;
  /** Called with the current activity of opening, or why it waits, and with an empty text when it is done. */
  readonly onWaiting: (reason: string) => void;
}

/**
 * Opens a job's resources. Retries while Redis or a file system is unreachable.
 * @throws MaestroError of whatever cannot be opened, or the signal's reason.
 */
export async function openSession({ specJson, onWaiting, ...options }: OpenSessionOptions): Promise<MemberSession> {
  const { roots, logger, signal } = options;
  const spec = parseJobSpec(JSON.parse(specJson));
  // Links may lead elsewhere on this machine than on the coordinator's.
  await requireConfined(spec, roots);
  for (;;) {
    try {
      const opening = { ...options, spec, onStage: onWaiting };
      const session = isTraining(spec)
        ? trainingSession(await openJobSession(opening))
        : measuringSession(await openMeasuringSession(opening));
      onWaiting('');
      return session;
    } catch (error) {
      const isPassing = isMaestroError(error, 'redis-unavailable') || isMaestroError(error, 'unavailable');
      if (!isPassing || signal.aborted) throw error;
      onWaiting(errorMessage(error));
      logger.warn({ error }, 'opening the job failed, trying again');
      await pause(REOPEN_MS, signal);
      onWaiting('');
    }
  }
}
