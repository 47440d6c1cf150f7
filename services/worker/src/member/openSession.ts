import { errorMessage, isMaestroError, isTraining, parseJobSpec, requireConfined } from '@maestro/protocol';
import { pause } from '../process/signals.ts';
import type { WorkerOptions } from '../process/workerOptions.ts';
import type { JobSessionOptions } from '../session/jobSessionOptions.ts';
import { openJobSession } from '../session/openJobSession.ts';
import { openKnnSession } from '../session/openKnnSession.ts';
import { type MemberSession, measuringSession, trainingSession } from './memberSession.ts';

/** Between two attempts to open what a job needs while Redis or a file system is away, in milliseconds. */
const REOPEN_MS = 1000;

/** What a session is opened with. */
export interface OpenSessionOptions extends Omit<JobSessionOptions, 'spec' | 'onStage'>, Pick<WorkerOptions, 'roots'> {
  /** The job file, as the coordinator sent it. */
  readonly specJson: string;
  /** Told at what opening is, or why it waits, and with an empty text when it is at neither. */
  readonly onWaiting: (reason: string) => void;
}

/**
 * Opens what a job needs. While Redis or a file system is away it is tried again.
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
      const session = isTraining(spec) ? trainingSession(await openJobSession(opening)) : measuringSession(await openKnnSession(opening));
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
