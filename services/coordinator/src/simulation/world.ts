import type { FailureTimeouts, JobSpec, ViewMember } from '@maestro/protocol';
import type { RestorePoint } from '../run/state/runState.ts';
import type { Clock } from './clock.ts';
import type { Dice } from './dice.ts';

/** What everything that is simulated shares. */
export interface World {
  readonly clock: Clock;
  readonly dice: Dice;
  readonly timeouts: FailureTimeouts;
  readonly jobId: string;
  readonly spec: JobSpec;
  readonly totalSteps: number;
  /** Adds a line to the transcript. */
  note(line: string): void;
  /** Says that something happened that must never happen. */
  violate(what: string): never;
  /** Checkpoints that were written whole, by step; they outlive every process. */
  readonly disk: Map<number, string>;
  /** Those that cannot be read though a search finds them whole; until they are written again. */
  readonly damaged: Set<number>;
  /** Whether Redis answers. */
  isRedisUp: boolean;
  /** Pairs of workers, `a b` by name, that do not reach each other. */
  readonly cuts: Set<string>;
  /** Every view that was ever sent, by generation. */
  readonly views: Map<number, string>;
}

/** The state that a member holds: steps, and a hash over all that led to it, so that a divergence shows. */
export interface ModelState {
  readonly step: number;
  readonly lineage: number;
}

/** No view could start from it. */
export const NO_STATE: ModelState = { step: -1, lineage: 0 };

/** The lineage that a state has after one more step. */
export function nextLineage(lineage: number, step: number): number {
  return Math.imul(lineage ^ (step + 1), 0x9e3779b1) >>> 0;
}

const lineages = [1];

/** The one lineage that the state after `step` steps may have. */
export function lineageOf(step: number): number {
  for (let done = lineages.length - 1; done < step; done++) lineages.push(nextLineage(lineages[done]!, done));
  return lineages[step]!;
}

/** The newest checkpoint on disk. */
export function newestCheckpoint({ disk }: World): RestorePoint | undefined {
  const step = Math.max(-1, ...disk.keys());
  return step < 0 ? undefined : { path: disk.get(step)!, step };
}

/** Whether two workers reach each other. */
export function isCut({ cuts }: World, a: string, b: string): boolean {
  return cuts.has(a < b ? `${a} ${b}` : `${b} ${a}`);
}

/** What a view says, as one text to compare. */
export function viewText({
  members,
  startStep,
  restoreFrom,
  sources,
}: {
  readonly members: readonly ViewMember[];
  readonly startStep: number;
  readonly restoreFrom: string;
  readonly sources: readonly string[];
}): string {
  const shares = members.map(({ id, firstRank, ranks }) => `${id}=${firstRank}+${ranks}`).join(' ');
  return `step ${startStep} from ${restoreFrom || sources.join(' ') || 'seed'}: ${shares}`;
}
