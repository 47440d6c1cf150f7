import { flatTensors, readCheckpoint } from '@maestro/checkpoint';
import type { Trainer } from '@maestro/engine';
import type { FlatLayout, MaeConfig } from '@maestro/mae';
import { type JobSpec, MaestroError, specHash, type View } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { initialise } from './initialise.ts';

/** What {@link restore} works on. */
export interface RestoreOptions {
  readonly config: MaeConfig;
  readonly layout: FlatLayout;
  readonly spec: JobSpec;
  readonly view: View;
  readonly trainer: Trainer;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** The state that a view starts from, once it is in the trainer. */
export interface StartState {
  readonly parameters: Float32Array;
  /** SHA-256 (hex): of the initial parameters, or the checkpoint hash. */
  readonly stateHash: string;
}

/**
 * Puts the state of a view's first step into the trainer: initial parameters, or those of the checkpoint that the view names.
 * @throws MaestroError `checkpoint-invalid`, `conflict` when the checkpoint is of another model.
 */
export async function restore({ config, layout, spec, view, trainer, logger, signal }: RestoreOptions): Promise<StartState> {
  const { restoreFrom, startStep } = view;
  if (restoreFrom === '') {
    const { parameters, hash } = await initialise(config, layout, { seed: spec.seed, signal });
    await trainer.load({ parameters, step: 0 });
    return { parameters, stateHash: hash };
  }
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
  await trainer.load({ parameters, firstMoments, secondMoments, step });
  logger.info({ restoreFrom, step, checkpointHash }, 'restored');
  return { parameters, stateHash: checkpointHash };
}

/** Shared memory reaches the compute thread without a copy. */
function sharedVector({ length }: FlatLayout): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}
