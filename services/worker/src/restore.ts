import { join } from 'node:path';
import { flatTensors, readCheckpoint } from '@maestro/checkpoint';
import type { FlatLayout } from '@maestro/mae';
import { MaestroError, specHash, type View } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { writeArtifacts } from './artifacts.ts';
import { initialise } from './initialise.ts';
import type { JobSession } from './jobSession.ts';

/** What {@link restore} works on. */
export interface RestoreOptions {
  readonly session: JobSession;
  readonly view: View;
  readonly dataDir: string;
  /** Whether this member writes the job's artifacts. */
  readonly isFirst: boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Puts the state of a view's first step into the trainer: initial parameters, or those of the checkpoint that the view names.
 * Gives its SHA-256 (hex): of the initial parameters, or the checkpoint hash.
 * @throws MaestroError `checkpoint-invalid`, `conflict` when the checkpoint is of another model.
 */
export async function restore(options: RestoreOptions): Promise<string> {
  const { session, view, dataDir, isFirst, signal } = options;
  const { config, layout, spec, trainingModel, jobId } = session;
  const { parameters, hash } = view.restoreFrom === '' ? await fromSeed(options) : await fromCheckpoint(options);
  session.state = view.startStep;
  signal.throwIfAborted();
  if (isFirst) await writeArtifacts({ dir: join(dataDir, 'jobs', jobId, 'artifacts'), config, layout, spec, trainingModel, parameters });
  return hash;
}

interface StartState {
  readonly parameters: Float32Array;
  readonly hash: string;
}

async function fromSeed({ session, signal }: RestoreOptions): Promise<StartState> {
  const { config, layout, spec, trainer } = session;
  const state = await initialise(config, layout, { seed: spec.seed, signal });
  session.state = -1;
  session.shards = [];
  await trainer.load({ parameters: state.parameters, step: 0 });
  return state;
}

async function fromCheckpoint({ session, view, logger, signal }: RestoreOptions): Promise<StartState> {
  const { layout, spec, trainer } = session;
  const { restoreFrom, startStep } = view;
  const [parameters, firstMoments, secondMoments] = [sharedVector(layout), sharedVector(layout), sharedVector(layout)];
  const into = {
    parameters: flatTensors(layout, parameters),
    firstMoments: flatTensors(layout, firstMoments),
    secondMoments: flatTensors(layout, secondMoments),
  };
  const { step, checkpointHash, state } = await readCheckpoint(restoreFrom, { into, signal });
  if (step !== startStep) {
    throw new MaestroError('checkpoint-invalid', `${restoreFrom}: expected the state after step ${startStep}, found step ${step}`);
  }
  const before = (state['identity'] as { readonly specHash?: string } | undefined)?.specHash;
  if (before !== specHash(spec)) {
    logger.warn({ restoreFrom, step }, 'resuming under another job file: the bits will differ from an unbroken run');
  }
  session.state = -1;
  session.shards = [];
  await trainer.load({ parameters, firstMoments, secondMoments, step });
  logger.info({ restoreFrom, step, checkpointHash }, 'restored');
  return { parameters, hash: checkpointHash };
}

/** Shared memory reaches the compute thread without a copy. */
export function sharedVector({ length }: FlatLayout): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}
