import { flatTensors, retainCheckpoints, type WrittenCheckpoint, writeCheckpoint } from '@maestro/checkpoint';
import type { Trainer } from '@maestro/engine';
import type { FlatLayout } from '@maestro/mae';
import type { Logger } from '@maestro/telemetry';

/** Writes a job's checkpoints. The trainer must be between steps when it is called. */
export interface Checkpointer {
  /** Copies the trainer's state, then writes it while training goes on. Waits for an earlier write that is still under way. */
  begin(step: number): Promise<void>;
  /** Writes the trainer's state before it returns, unless this step is on disk already. */
  write(step: number): Promise<void>;
  /** Waits for the write under way. */
  close(): Promise<void>;
}

/** What a checkpointer needs. */
export interface CheckpointerOptions {
  /** The job's checkpoint folder. */
  readonly root: string;
  readonly keepLast: number;
  readonly layout: FlatLayout;
  readonly trainer: Trainer;
  /** What goes into `state.json` beside the step. */
  readonly state: Readonly<Record<string, unknown>>;
  readonly onWritten: (checkpoint: WrittenCheckpoint) => void;
  readonly logger: Logger;
}

/** Opens a checkpointer. A background write that fails is logged and stops nothing; the next one is tried as usual. */
export function createCheckpointer({ root, keepLast, layout, trainer, state, onWritten, logger }: CheckpointerOptions): Checkpointer {
  let underWay: Promise<void> = Promise.resolve();
  let lastWritten = -1;

  /** Resolves with the write, once the state has been copied. */
  const start = async (step: number): Promise<{ readonly written: Promise<void> }> => {
    const { parameters, firstMoments, secondMoments } = await trainer.snapshot();
    const write = async (): Promise<void> => {
      const written = await writeCheckpoint({
        root,
        step,
        parameters: flatTensors(layout, parameters),
        firstMoments: flatTensors(layout, firstMoments),
        secondMoments: flatTensors(layout, secondMoments),
        state,
      });
      lastWritten = step;
      onWritten(written);
      await retainCheckpoints(root, { current: step, keepLast });
    };
    return { written: write() };
  };

  return {
    async begin(step) {
      await underWay;
      const { written } = await start(step);
      underWay = written.catch((error: unknown) => logger.error({ step, error }, 'checkpoint failed, training goes on without it'));
    },
    async write(step) {
      await underWay;
      if (lastWritten !== step) await (await start(step)).written;
    },
    close: () => underWay,
  };
}
