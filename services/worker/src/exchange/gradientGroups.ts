import type { Collective, Group } from '@maestro/collective';
import { type FloatRange, type SegmentedFloats, sliceParts } from '@maestro/kernels';
import type { View } from '@maestro/protocol';
import type { JobSession } from '../session/jobSession.ts';
import { SCALARS_PER_RANK } from '../step/stepScalars.ts';
import { openStagedSum, type StagedSum } from './stagedSum.ts';

/** What sums the gradients of a view's members. */
export interface GradientGroups {
  /** One for each stage, or one for all; the last carries the scalars. */
  readonly groups: readonly Group[];
  readonly sum: StagedSum;
}

/** What a member joins the groups of a view with. */
export interface JoinOptions {
  readonly session: JobSession;
  readonly view: View;
  readonly self: string;
  readonly collective: Collective;
  readonly joinTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** Each stage has connections of its own between each two members: with more members than this, the gradient is summed as a whole. */
const MOST_STAGED_MEMBERS = 8;

/**
 * Joins the groups that sum gradients: one for each stage of the training model if the view has peers. The caller closes and aborts all.
 * @throws the error of `Collective.join`, after closing what was joined.
 */
export async function joinGradients({ session, view, self, collective, joinTimeoutMs, signal }: JoinOptions): Promise<GradientGroups> {
  const { jobId, trainer, spec, training } = session;
  const { generation, members } = view;
  const isStaged = members.length > 1 && members.length <= MOST_STAGED_MEMBERS && training.stages.length > 1;
  const ranges = isStaged ? training.stages.map(({ range }) => range) : [{ first: 0, length: trainer.reduced.length }];
  const joining = ranges.map((range, stage) =>
    collective.join({
      // The last one, which is there in any view, has the job's own name.
      job: stage === ranges.length - 1 ? jobId : `${jobId}/stage${stage}`,
      generation,
      members,
      self,
      partials: trainer.partials.map((partial) => viewsOf(partial, range)),
      reduced: viewsOf(trainer.reduced, range),
      scalarsPerRank: stage === ranges.length - 1 ? SCALARS_PER_RANK : 0,
      allGather: spec.sync.allGather,
      joinTimeoutMs,
      signal,
    }),
  );
  const groups = await allJoined(joining);
  return { groups, sum: openStagedSum(groups) };
}

/** Resolves when all are joined. @throws the error of the first that fails, after closing the others. */
export async function allJoined(joining: readonly Promise<Group>[]): Promise<readonly Group[]> {
  try {
    return await Promise.all(joining);
  } catch (error) {
    for (const each of await Promise.allSettled(joining)) if (each.status === 'fulfilled') await each.value.close();
    throw error;
  }
}

function viewsOf(vector: SegmentedFloats, { first, length }: FloatRange): readonly Float32Array[] {
  return sliceParts(vector, first, length).map(({ floats }) => floats);
}
