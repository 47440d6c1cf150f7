import { addDigests } from '@maestro/data';
import type { RankShare } from '@maestro/protocol';
import type { MeasuringSession } from '../session/measuringSession.ts';
import { microBatchOrder, PREFETCH } from './microBatchOrder.ts';
import type { StepOptions, StepProgram } from './runSteps.ts';

/** Options of {@link createEncodeProgram}. */
export interface EncodeProgramOptions extends StepOptions {
  readonly session: MeasuringSession;
}

/**
 * Takes all samples in the step order of a training job, then lets the recipe measure: `results` of the session. A hold ends it after a
 * step, or during the phase after the last step.
 *
 * Throws the signal's reason when aborted, between batches; the session keeps what it has of the steps that it counts. Also throws
 * MaestroError `data-invalid`, `non-finite`.
 */
export function createEncodeProgram(options: EncodeProgramOptions): StepProgram {
  const { session, onPhase, isHoldWanted, faults, onSkipped, contents, signal } = options;
  const { schedule, measuring } = session;
  const { virtualRanks, accumulation, totalSteps } = schedule;
  const ranks = Array.from({ length: virtualRanks }, (_, rank) => rank);
  const upcoming = microBatchOrder(schedule, ranks);

  return {
    async run(step, frame) {
      // Encode: each virtual rank's samples.
      let encodeSeconds = 0;
      const shares: RankShare[] = [];
      for (const rank of ranks) {
        let [images, digest, content] = [0, 0, 0];
        for (let micro = 0; micro < accumulation; micro++) {
          signal.throwIfAborted();
          onPhase(step, 'compute');
          await faults.reach(step, 'forward');
          const batch = await measuring.take(upcoming(step, rank * accumulation + micro, PREFETCH), signal);
          images += batch.images;
          digest = addDigests(digest, batch.digest);
          content = addDigests(content, batch.content);
          contents.note(batch.readings);
          encodeSeconds += batch.seconds;
          if (batch.skipped.length > 0) onSkipped(step, batch.skipped);
        }
        shares.push({ images, digest, content });
      }

      await frame.contentsSettled();

      // Commit: nothing is learned, so only the images are reported.
      await faults.reach(step, 'apply');
      signal.throwIfAborted();
      session.state = step + 1;
      const images = shares.reduce((sum, share) => sum + share.images, 0);
      return { metrics: {}, images, ranks: shares, rankSeconds: encodeSeconds / virtualRanks, isEnd: () => isHoldWanted(step) };
    },
    async finish() {
      const found = await measuring.finish({
        onProgress: () => onPhase(totalSteps, 'classify'),
        isHoldWanted: () => isHoldWanted(totalSteps),
        onSkipped: (images) => onSkipped(totalSteps, images),
        signal,
      });
      if (found === 'held') return 'held';
      session.results = found;
      return 'finished';
    },
  };
}
