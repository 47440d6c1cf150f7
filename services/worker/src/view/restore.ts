import { join } from 'node:path';
import {
  type Checkpoint,
  describeDifferences,
  flatTensors,
  originOf,
  type ReadCheckpointOptions,
  readCheckpoint,
  requireOwnOrigin,
  requireSameOrigin,
} from '@maestro/checkpoint';
import { commonIdentity, dilocoOf, isMaestroError, type JobIdentity, MaestroError, type View } from '@maestro/protocol';
import { isUrl } from '@maestro/storage';
import type { Logger } from '@maestro/telemetry';
import { writeArtifacts } from '../checkpoint/artifacts.ts';
import { replicasOf } from '../exchange/replicaExchange.ts';
import { openReplicaVectors } from '../exchange/replicaVectors.ts';
import type { JobSession } from '../session/jobSession.ts';
import { initialise } from '../state/initialise.ts';
import { sharedVector } from '../state/sharedVector.ts';

/** Options of {@link restore}. */
export interface RestoreOptions {
  readonly session: JobSession;
  readonly view: View;
  /** This worker's id in the view. */
  readonly self: string;
  readonly dataDir: string;
  /** True when this member writes the job's artifacts. */
  readonly isFirst: boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Loads the state of a view's first step into the trainer: initial parameters, or those of the checkpoint that the view names. When
 * replicas train apart, that is the outer state and this member's replicas. Returns its SHA-256 (hex): of the initial parameters, or the
 * checkpoint hash.
 * @throws MaestroError `checkpoint-invalid`, `invalid-argument` when the checkpoint belongs to another model or job.
 */
export async function restore(options: RestoreOptions): Promise<string> {
  const { session, view, dataDir, isFirst, signal } = options;
  const { plan, layout, spec, trainingModel, jobId } = session;
  const restoreState = dilocoOf(spec) === undefined ? fromCheckpoint : replicasFromCheckpoint;
  const { parameters, hash } = view.restoreFrom === '' ? await fromSeed(options) : await restoreState(options);
  // A member's replicas are not the whole state: no view can start from them.
  session.state = dilocoOf(spec) === undefined ? view.startStep : -1;
  signal.throwIfAborted();
  if (isFirst) await writeArtifacts({ dir: join(dataDir, 'jobs', jobId, 'artifacts'), plan, layout, spec, trainingModel, parameters });
  return hash;
}

interface StartState {
  readonly parameters: Float32Array;
  readonly hash: string;
}

async function fromSeed({ session, view, self, signal }: RestoreOptions): Promise<StartState> {
  const { planSource, layout, spec, trainer } = session;
  const state = await initialise(planSource, layout, { signal });
  const { parameters } = state;
  session.state = -1;
  session.shards = [];
  if (dilocoOf(spec) === undefined) {
    await trainer.load({ parameters, step: 0 });
    return state;
  }
  const { held } = replicasOf(session, view.members.find(({ id }) => id === self)!);
  await trainer.loadOuter({ parameters });
  for (let replica = 0; replica < held; replica++) await trainer.load({ parameters, step: 0, replica });
  return state;
}

async function fromCheckpoint({ session, view, logger, signal }: RestoreOptions): Promise<StartState> {
  const { layout, trainer } = session;
  const { restoreFrom } = view;
  const [parameters, firstMoments, secondMoments] = [sharedVector(layout), sharedVector(layout), sharedVector(layout)];
  const into = {
    parameters: flatTensors(layout, parameters),
    firstMoments: flatTensors(layout, firstMoments),
    secondMoments: flatTensors(layout, secondMoments),
  };
  const checkpoint = await readFrom(restoreFrom, { into, signal });
  if (checkpoint.replicas !== undefined) {
    throw new MaestroError('invalid-argument', `${restoreFrom}: its replicas trained apart; use the sync section that it was written with`);
  }
  const { step, checkpointHash: hash } = checkStart(checkpoint, { session, view, logger });
  session.state = -1;
  session.shards = [];
  await trainer.load({ parameters, firstMoments, secondMoments, step });
  logger.info({ restoreFrom, step, checkpointHash: hash }, 'restored');
  return { parameters, hash };
}

/** Reads the whole checkpoint, since the hash covers all of it, and keeps what this member's replicas need. */
async function replicasFromCheckpoint({ session, view, self, logger, signal }: RestoreOptions): Promise<StartState> {
  const { layout, spec, trainer } = session;
  const vectors = openReplicaVectors(layout, dilocoOf(spec)!.replicas);
  const checkpoint = await readFrom(view.restoreFrom, { into: vectors.tensors(), signal });
  const { step, checkpointHash: hash } = checkStart(checkpoint, { session, view, logger });
  session.state = -1;
  const { parameters } = vectors.outer;
  await trainer.loadOuter(vectors.outer);
  const { first, held } = replicasOf(session, view.members.find(({ id }) => id === self)!);
  for (let replica = 0; replica < held; replica++) {
    await trainer.load({ parameters, ...vectors.moments(first + replica), step, replica });
  }
  logger.info({ restoreFrom: view.restoreFrom, step, checkpointHash: hash, firstReplica: first, replicas: held }, 'restored');
  return { parameters, hash };
}

/** An unresponsive server ends the view and not the job: the next view retries. */
async function readFrom(location: string, options: ReadCheckpointOptions): Promise<Checkpoint> {
  try {
    return await readCheckpoint(location, options);
  } catch (error) {
    if (isUrl(location) && isMaestroError(error, 'storage')) throw new MaestroError('unavailable', error.message, { cause: error });
    // Another model, or kind of job: every worker would find the same at every attempt.
    if (isMaestroError(error, 'conflict')) throw new MaestroError('invalid-argument', error.message, { cause: error });
    throw error;
  }
}

/**
 * Checks that the job's own checkpoint agrees with the job in everything that decides the bits; one that its file names may belong to
 * another job, if the file says so.
 * @throws MaestroError `invalid-argument`, which fails the job: the next worker would find the same.
 */
function checkStart(checkpoint: Checkpoint, { session, view, logger }: Pick<RestoreOptions, 'session' | 'view' | 'logger'>): Checkpoint {
  const { restoreFrom, startStep } = view;
  const { spec, jobId: job, identityJson } = session;
  const { step, state } = checkpoint;
  if (step !== startStep) {
    throw new MaestroError('checkpoint-invalid', `${restoreFrom}: expected the state after step ${startStep}, found step ${step}`);
  }
  const { identity, ...rest } = originOf(state);
  const origin = { ...rest, identity: commonIdentity(identity, spec) };
  const expected = { spec, identity: commonIdentity(JSON.parse(identityJson) as JobIdentity, spec) };
  if (restoreFrom !== spec.checkpoint.resumeFrom) {
    requireOwnOrigin(restoreFrom, origin, { ...expected, job });
    return checkpoint;
  }
  requireSameOrigin(restoreFrom, origin, expected);
  const differences = describeDifferences(origin, expected);
  if (differences !== undefined) {
    logger.warn(
      { restoreFrom, step, differences },
      'resuming from another job as its file wishes: the bits will differ from an unbroken run',
    );
  }
  return checkpoint;
}
