import type { Collective, Group } from '@maestro/collective';
import { windowOfStep } from '@maestro/data';
import type { View } from '@maestro/protocol';
import type { JobSession } from '../session/jobSession.ts';
import type { FetchPieces } from './snapshots.ts';

/** Options of {@link openWindowSnapshots}. */
export interface WindowSnapshotOptions {
  readonly session: Pick<JobSession, 'schedule' | 'snapshots'>;
  readonly view: View;
  readonly self: string;
  readonly group: Pick<Group, 'chunk' | 'chunks'>;
  readonly collective: Collective;
  /** Ends the copying with the view. */
  readonly signal: AbortSignal;
}

/** Snapshots of a view's member at the end of each window. */
export interface WindowSnapshots {
  /**
   * Called when the trainer holds this member's part of the state after `step`, which stays unchanged until `Snapshots.captured` resolves.
   */
  readonly onState: (step: number) => void;
}

/**
 * At the end of a window each member writes its part to its disk, and then pulls and writes that of the previous member in the ring: each
 * part is then on two workers, and one can be lost. Copying runs in parallel with the next steps. One at a time: when it is slower than a
 * window, the newest window is next.
 */
export function openWindowSnapshots({ session, view, self, group, collective, signal }: WindowSnapshotOptions): WindowSnapshots {
  const { schedule, snapshots } = session;
  const { jobId: job, generation, members } = view;
  const index = members.findIndex(({ id }) => id === self);
  const before = (index + members.length - 1) % members.length;
  const member = members[before]!;
  const isCopied = before !== index && group.chunks[before]!.length > 0;
  let next: number | undefined;
  let isCopying = false;

  const copyNewest = async (): Promise<void> => {
    if (isCopying) return;
    isCopying = true;
    while (next !== undefined && !signal.aborted) {
      const step = next;
      next = undefined;
      const fetch: FetchPieces = async (ranges, into) => {
        await collective.pullState({ job, generation, member, self, step, ranges, into, signal });
      };
      await snapshots.copy({ step, ...group.chunks[before]!, isWhole: false }, { fetch, signal });
    }
    isCopying = false;
  };

  return {
    onState(step) {
      if (step === 0 || step >= schedule.totalSteps || windowOfStep(schedule, step).firstStep !== step) return;
      snapshots.begin(step, group.chunk, { isCopied });
      if (!isCopied) return;
      next = step;
      void copyNewest();
    },
  };
}
