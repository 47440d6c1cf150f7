import { isTerminal, type Job, type JobState } from '@maestro/protocol';

/** An observation of a job, with its time. */
export interface Sighting {
  readonly atMs: number;
  readonly state: JobState;
  /** Number of committed steps. */
  readonly step: number;
  readonly generation: number;
}

/** A job's observations in order: one for each change. */
export type Timeline = readonly Sighting[];

/** Returns the observation of a job at `atMs`. */
export function sight(job: Job, atMs: number): Sighting {
  return { atMs, state: job.state, step: job.progress?.step ?? 0, generation: job.generation };
}

/** Returns true when an observation differs from the last one in more than its time. */
export function isNews(last: Sighting | undefined, { state, step, generation }: Sighting): boolean {
  return last === undefined || last.state !== state || last.step !== step || last.generation !== generation;
}

/** Returns the observations at which steps were committed. */
function commits(timeline: Timeline): Sighting[] {
  return timeline.filter(({ step }, i) => i > 0 && step > timeline[i - 1]!.step);
}

/** A pause between committed steps is a standstill when it exceeds the median by this factor. */
const STANDSTILL = 5;

/**
 * Returns the time from an event at `atMs` until the job continued, in milliseconds. Undefined when no step was committed afterwards; 0
 * when the job had ended before.
 *
 * If the event led to a new view before `untilMs`, this is the time to that view's first step; steps that were committed before, or were in
 * progress, do not count. Otherwise it is the time to the end of the longest standstill that began before `untilMs`, or to the next step.
 */
export function recoveryMs(timeline: Timeline, { atMs, untilMs }: { readonly atMs: number; readonly untilMs: number }): number | undefined {
  if (timeline.some((sighting) => isTerminal(sighting.state) && sighting.atMs <= atMs)) return 0;
  const times = commits(timeline).map((commit) => commit.atMs);
  const after = times.filter((time) => time > atMs);
  const before = timeline.findLast((sighting) => sighting.atMs <= atMs);
  const view = timeline.find(
    (sighting) => sighting.atMs > atMs && sighting.atMs < untilMs && sighting.generation > (before?.generation ?? 0),
  );
  const end =
    view === undefined ? standstillEnd(after, { atMs, untilMs, typicalMs: medianGap(times) ?? 0 }) : after.find((time) => time > view.atMs);
  return end === undefined ? undefined : end - atMs;
}

/** Returns the end of the longest standstill that began between `atMs` and `untilMs`; the next step when there was none. */
function standstillEnd(
  after: readonly number[],
  { atMs, untilMs, typicalMs }: { readonly atMs: number; readonly untilMs: number; readonly typicalMs: number },
): number | undefined {
  let longestMs = STANDSTILL * typicalMs;
  let end = after[0];
  let beginMs = atMs;
  for (const time of after) {
    if (beginMs >= untilMs) break;
    if (time - beginMs > longestMs) [longestMs, end] = [time - beginMs, time];
    beginMs = time;
  }
  return end;
}

/**
 * Returns the share of the time from the first to the last observation spent on steps that lasted: the number of committed steps, times the
 * median time between two of them. Undefined when it is unknown.
 */
export function goodput(timeline: Timeline): number | undefined {
  const typicalMs = medianGap(commits(timeline).map(({ atMs }) => atMs));
  if (typicalMs === undefined) return undefined;
  const steps = Math.max(...timeline.map(({ step }) => step)) - timeline[0]!.step;
  return Math.min(1, (steps * typicalMs) / (timeline.at(-1)!.atMs - timeline[0]!.atMs));
}

/** Returns the median time between neighbours; undefined for fewer than two. */
function medianGap(times: readonly number[]): number | undefined {
  return percentile(
    times.slice(1).map((time, i) => time - times[i]!),
    0.5,
  );
}

/** Returns the value below which a share of the values lies; undefined for none. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
