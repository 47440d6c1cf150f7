import { jobLabel } from '../jobs/jobLabel.ts';
import { type FreeWorker, isFit, type SchedulableJob } from './schedulableJob.ts';

/** A job that gives up workers to another. */
export interface Victim {
  readonly job: SchedulableJob;
  /** The workers that the other job will get. */
  readonly workers: readonly FreeWorker[];
  /** True when it gives up all workers, since it cannot continue without these. */
  readonly isPaused: boolean;
  /** Reason that it is given. */
  readonly reason: string;
}

/** Options of {@link chooseVictims}. */
export interface VictimChoice {
  /** The job that lacks workers, and how many. */
  readonly job: SchedulableJob;
  readonly missing: number;
  /** Jobs that may have to give up workers, in order of submission. */
  readonly others: readonly SchedulableJob[];
}

/**
 * Chooses who gives up workers to a job that lacks them; undefined when even all candidates together would not suffice. Jobs shrink to
 * their minimum before any is paused; the lowest rank goes first, and within a rank the latest. Nobody gives up more than necessary.
 */
export function chooseVictims({ job, missing, others }: VictimChoice): Victim[] | undefined {
  const candidates = [...others]
    .reverse()
    .filter(({ device }) => device === job.device)
    .map((other) => ({ other, offered: other.workers.filter((worker) => isFit({ ...job, allowsMixed: true }, worker)) }))
    .filter(({ offered }) => offered.length > 0)
    .sort((a, b) => a.other.rank - b.other.rank);
  const chosen = new Map<SchedulableJob, number>();
  let left = missing;

  // Takes one at a time from the job with most to spare, so that jobs of one rank end up alike.
  const spareOf = ({ other, offered }: (typeof candidates)[number]): number =>
    isAbove(other, job) ? 0 : Math.min(offered.length, Math.max(0, other.present - other.minWorkers)) - (chosen.get(other) ?? 0);
  for (; left > 0; left--) {
    const sparing = candidates.filter((each) => spareOf(each) > 0);
    const [first] = sparing.filter(({ other }) => other.rank === sparing[0]!.other.rank).sort((a, b) => spareOf(b) - spareOf(a));
    if (first === undefined) break;
    chosen.set(first.other, (chosen.get(first.other) ?? 0) + 1);
  }
  const paused = new Set<SchedulableJob>();
  for (const { other, offered } of candidates) {
    if (left <= 0) break;
    if (!isPausable(other, job)) continue;
    left -= offered.length - (chosen.get(other) ?? 0);
    chosen.set(other, offered.length);
    paused.add(other);
  }
  if (left > 0) return undefined;

  // A paused job may free more than was missing: then others can be spared, above all from a pause.
  let surplus = -left;
  for (const [other, count] of [...chosen].sort(([a], [b]) => Number(paused.has(b)) - Number(paused.has(a)))) {
    const kept = paused.has(other) ? (count <= surplus ? count : 0) : Math.min(count, surplus);
    surplus -= kept;
    if (kept === count) chosen.delete(other);
    else chosen.set(other, count - kept);
  }
  return candidates.flatMap(({ other, offered }) => {
    const count = chosen.get(other);
    if (count === undefined) return [];
    const isPaused = paused.has(other);
    // The last by name are usually the most recent to join.
    const workers = [...offered].sort((a, b) => (a.name > b.name ? -1 : 1)).slice(0, count);
    const reason = reasonFor(job, other, isPaused);
    return [{ job: other, workers, isPaused, reason }];
  });
}

/**
 * Returns true for a job of higher priority: its workers beyond the minimum are not lent out, until the other has waited long enough to
 * reach its rank.
 */
function isAbove(other: SchedulableJob, job: SchedulableJob): boolean {
  return other.priority > job.priority && other.rank > job.rank;
}

/** Returns true for a job that may be paused; one that is stuck makes way for anybody. */
function isPausable(other: SchedulableJob, job: SchedulableJob): boolean {
  return other.isStuck || isAbove(job, other);
}

/** Formats `b and c are on their way; job-1 gives up 2 workers, job-2 is paused`. */
export function describeVictims(victims: readonly Victim[], leaving: readonly FreeWorker[]): string {
  const names = leaving.map(({ name }) => name).join(', ');
  return [
    ...(leaving.length === 0 ? [] : [`${names} ${leaving.length === 1 ? 'is' : 'are'} on the way`]),
    ...victims.map(({ job, workers, isPaused }) =>
      isPaused ? `${jobLabel(job)} makes way` : `${jobLabel(job)} gives up ${workers.length} worker${workers.length === 1 ? '' : 's'}`,
    ),
  ].join(', ');
}

function reasonFor(job: SchedulableJob, other: SchedulableJob, isPaused: boolean): string {
  if (job.priority > other.priority) return `preempted by ${jobLabel(job)} of priority ${job.priority}`;
  return isPaused ? `it lacks workers, and ${jobLabel(job)} can use those that it has` : `${jobLabel(job)} needs them to start`;
}
