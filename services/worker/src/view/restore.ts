import { join } from 'node:path';
import {
  type Checkpoint,
  type CheckpointOrigin,
  type CheckpointParameters,
  describeDifferences,
  flatTensors,
  originOf,
  type ReadCheckpointOptions,
  readCheckpoint,
  readOrigin,
  readParameters,
  requireOwnOrigin,
  requireSameOrigin,
} from '@maestro/checkpoint';
import { reserveSnapshot, type SnapshotMemory } from '@maestro/engine';
import { releaseMemory } from '@maestro/native';
import {
  commonIdentity,
  dilocoOf,
  type FailureTimeouts,
  isMaestroError,
  type JobIdentity,
  MaestroError,
  type View,
} from '@maestro/protocol';
import { isUrl } from '@maestro/storage';
import type { Logger } from '@maestro/telemetry';
import { writeArtifacts } from '../checkpoint/artifacts.ts';
import { replicasOf } from '../exchange/replicaExchange.ts';
import { openReplicaVectors } from '../exchange/replicaVectors.ts';
import type { JobSession } from '../session/jobSession.ts';
import { initialise } from '../state/initialise.ts';

/** Options of {@link restore}. */
export interface RestoreOptions {
  readonly session: JobSession;
  readonly view: View;
  /** This worker's id in the view. */
  readonly self: string;
  readonly dataDir: string;
  readonly timeouts: Pick<FailureTimeouts, 'progressMs'>;
  /** True when this member writes the job's artifacts. */
  readonly isFirst: boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Loads the state of a view's first step into the trainer: initial parameters, or those of the checkpoint that the view names. When
 * replicas train apart, that is the outer state and this member's replicas. The first member writes the job's artifacts, which goes on in
 * the background (`session.artifacts`). Returns the state's SHA-256 (hex): of the initial parameters, or the checkpoint hash.
 * @throws MaestroError `checkpoint-invalid`, `invalid-argument` when the checkpoint belongs to another model or job.
 */
export async function restore(options: RestoreOptions): Promise<string> {
  const { session, view, dataDir, isFirst, logger, signal } = options;
  const { plan, layout, spec, training, jobId } = session;
  const restoreState = dilocoOf(spec) === undefined ? fromCheckpoint : replicasFromCheckpoint;
  const { parameters, hash, read } = view.restoreFrom === '' ? await fromSeed(options) : await restoreState(options);
  // The trainer has copies: a step would take its memory beside them.
  const release = (): void => read.forEach(releaseMemory);
  // A member's replicas are not the whole state: no view can start from them.
  session.state = dilocoOf(spec) === undefined ? view.startStep : -1;
  signal.throwIfAborted();
  // The disk takes longer than all the rest, and nobody waits for it.
  if (isFirst) {
    const dir = join(dataDir, 'jobs', jobId, 'artifacts');
    session.artifacts = writeArtifacts({ dir, plan, layout, spec, training, parameters })
      .catch((error: unknown) => {
        logger.error({ dir, error }, 'the artifacts of the job could not be written');
      })
      .finally(release);
  } else {
    release();
  }
  return hash;
}

interface StartState {
  readonly parameters: Float32Array;
  readonly hash: string;
  /** The memory that the state was loaded from. */
  readonly read: readonly Float32Array[];
}

async function fromSeed({ session, view, self, timeouts, signal }: RestoreOptions): Promise<StartState> {
  const { planSource, layout, spec, trainer } = session;
  const { parameters, hash } = await initialise(planSource, layout, { drawMs: timeouts.progressMs, signal });
  hash.catch(() => undefined); // awaited below, unless loading fails
  session.state = -1;
  session.shards = [];
  if (dilocoOf(spec) === undefined) {
    await trainer.load({ parameters, step: 0 });
    session.hasFrozen = true;
    return { parameters, hash: await hash, read: [parameters] };
  }
  const { held } = replicasOf(session, view.members.find(({ id }) => id === self)!);
  await trainer.loadOuter({ parameters });
  for (let replica = 0; replica < held; replica++) await trainer.load({ parameters, step: 0, replica });
  return { parameters, hash: await hash, read: [parameters] };
}

async function fromCheckpoint({ session, view, logger, signal }: RestoreOptions): Promise<StartState> {
  const { layout, spec, trainer } = session;
  const { restoreFrom } = view;
  const vectors = reserveSnapshot(layout, spec.optimizer);
  const { parameters } = vectors;
  const checkpoint = await readState(vectors, { session, view, logger, signal });
  if ('replicas' in checkpoint && checkpoint.replicas !== undefined) {
    throw new MaestroError('invalid-argument', `${restoreFrom}: its replicas trained apart; use the sync section that it was written with`);
  }
  const { step, checkpointHash: hash } = checkStart(checkpoint, { session, view, logger });
  session.state = -1;
  session.shards = [];
  await trainer.load({ ...vectors, step });
  session.hasFrozen = true;
  logger.info({ restoreFrom, step, checkpointHash: hash }, 'restored');
  return { parameters, hash, read: Object.values(vectors) };
}

/** Reads the whole checkpoint, since the hash covers all of it, and keeps what this member's replicas need. */
async function replicasFromCheckpoint({ session, view, self, logger, signal }: RestoreOptions): Promise<StartState> {
  const { layout, spec, trainer } = session;
  const vectors = openReplicaVectors(layout, spec.optimizer, dilocoOf(spec)!.replicas);
  const checkpoint = await readFrom(view.restoreFrom, { into: vectors.tensors(), signal }, { session, view, logger });
  const { step, checkpointHash: hash } = checkStart(checkpoint, { session, view, logger });
  session.state = -1;
  const { parameters } = vectors.outer;
  await trainer.loadOuter(vectors.outer);
  const { first, held } = replicasOf(session, view.members.find(({ id }) => id === self)!);
  for (let replica = 0; replica < held; replica++) {
    await trainer.load({ parameters, ...vectors.moments(first + replica), step, replica });
  }
  logger.info({ restoreFrom: view.restoreFrom, step, checkpointHash: hash, firstReplica: first, replicas: held }, 'restored');
  return { parameters, hash, read: [parameters] };
}

/** A server that does not answer now ends the view and not the job: the next view tries again. */
async function readFrom(location: string, options: ReadCheckpointOptions, context: OriginContext): Promise<Checkpoint> {
  try {
    return await readCheckpoint(location, options);
  } catch (error) {
    // Another optimiser says more than the names of its moments.
    if (isMaestroError(error, 'conflict')) checkOrigin(await readOrigin(location), context);
    if (isUrl(location) && isMaestroError(error, 'storage')) throw new MaestroError('unavailable', error.message, { cause: error });
    // Another model, or kind of job: every worker would find the same at every attempt.
    if (isMaestroError(error, 'conflict')) throw new MaestroError('invalid-argument', error.message, { cause: error });
    throw error;
  }
}

/**
 * Reads a checkpoint into the vectors of a state. One that the job's file names may be of another optimiser, or of other parameters that
 * are trained, where the file says that it is taken anyway: the moments are zero then.
 */
async function readState(
  vectors: SnapshotMemory,
  { signal, ...context }: OriginContext & Pick<RestoreOptions, 'signal'>,
): Promise<Checkpoint | CheckpointParameters> {
  const { session, view, logger } = context;
  const { layout, spec } = session;
  const { trainable } = layout;
  const { restoreFrom } = view;
  const parameters = flatTensors(layout, vectors.parameters);
  const moments = {
    firstMoments: flatTensors(trainable, vectors.firstMoments),
    ...(vectors.secondMoments && { secondMoments: flatTensors(trainable, vectors.secondMoments) }),
  };
  const { resumeFrom, resumeAnyway } = spec.checkpoint;
  if (restoreFrom !== resumeFrom || !resumeAnyway) return readFrom(restoreFrom, { into: { parameters, ...moments }, signal }, context);
  try {
    return await readCheckpoint(restoreFrom, { into: { parameters, ...moments }, signal });
  } catch (error) {
    if (!isMaestroError(error, 'conflict')) throw error;
    const read = await readParameters(restoreFrom, { into: parameters, signal });
    for (const { data } of Object.values(moments).flat()) data.fill(0);
    logger.warn({ restoreFrom, reason: error.message }, 'the moments are not those of this job: its optimiser starts anew');
    return read;
  }
}

type OriginContext = Pick<RestoreOptions, 'session' | 'view' | 'logger'>;

/**
 * Its own checkpoint must be the job's in all that decides the bits; one that its file names may be another's, if the file says so.
 * @throws MaestroError `invalid-argument`, which ends the job: the next worker would meet the same.
 */
function checkStart<Read extends CheckpointParameters>(checkpoint: Read, context: OriginContext): Read {
  const { restoreFrom, startStep } = context.view;
  const { step, state } = checkpoint;
  if (step !== startStep) {
    throw new MaestroError('checkpoint-invalid', `${restoreFrom}: expected the state after step ${startStep}, found step ${step}`);
  }
  checkOrigin(originOf(state), context);
  return checkpoint;
}

function checkOrigin({ identity, ...rest }: CheckpointOrigin, { session, view, logger }: OriginContext): void {
  const { restoreFrom, startStep: step } = view;
  const { spec, jobId: job, identityJson } = session;
  const origin = { ...rest, identity: commonIdentity(identity, spec) };
  const expected = { spec, identity: commonIdentity(JSON.parse(identityJson) as JobIdentity, spec) };
  if (restoreFrom !== spec.checkpoint.resumeFrom) {
    requireOwnOrigin(restoreFrom, origin, { ...expected, job });
    return;
  }
  requireSameOrigin(restoreFrom, origin, expected);
  const differences = describeDifferences(origin, expected);
  if (differences !== undefined) {
    logger.warn(
      { restoreFrom, step, differences },
      'resuming from another job as its file wishes: the bits will differ from an unbroken run',
    );
  }
}
