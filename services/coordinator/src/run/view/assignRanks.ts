import { MaestroError, type ViewMember } from '@maestro/protocol';
import { workersById } from '../state/workersById.ts';

/** Identity and address of a worker that may join a job. */
export interface WorkerRef {
  readonly name: string;
  /** `name:uuid`, new at each process start. */
  readonly id: string;
  /** Address of its collective service, for peers. */
  readonly address: string;
}

/** A worker, and its compute time for one virtual rank in a step; 0 when unknown. */
export interface MeasuredWorker extends WorkerRef {
  readonly rankSeconds?: number;
}

/** The virtual ranks to assign, in units of this many (default 1) that stay together. */
export interface RanksToDeal {
  readonly virtualRanks: number;
  readonly ranksPerUnit?: number;
}

/** Virtual ranks by worker id. */
export type Deal = Readonly<Record<string, number>>;

/** An uneven assignment must shorten the step to this share of an even one's to be worthwhile. */
const WORTH_SHARE = 0.8;

/**
 * Assigns the virtual ranks 0..virtualRanks-1 to the workers in order of name: contiguous ranges, even unless measured speeds show that an
 * uneven assignment shortens the step by a fifth; replicas that train apart stay whole. A `deal` decided for exactly these workers is kept,
 * whatever was measured since. Which worker gets which range never changes the numbers.
 */
export function assignRanks({
  workers,
  virtualRanks,
  ranksPerUnit = 1,
  deal = {},
}: RanksToDeal & { readonly workers: readonly MeasuredWorker[]; readonly deal?: Deal }): ViewMember[] {
  const units = virtualRanks / ranksPerUnit;
  if (workers.length < 1 || workers.length > units) {
    throw new MaestroError('internal', `internal: assignRanks: expected 1..${units} workers, found ${workers.length}`);
  }
  const sorted = [...workers].sort((a, b) => (a.name < b.name || (a.name === b.name && a.id < b.id) ? -1 : 1));
  const even = evenRanks(sorted.length, units);
  const measured = measuredRanks(sorted, units);
  const isWorth = measured !== undefined && stepSeconds(sorted, measured) < WORTH_SHARE * stepSeconds(sorted, even);
  const isDecided = Object.keys(deal).length === sorted.length && sorted.every(({ id }) => id in deal);
  const measuredOrEven = (isWorth ? measured : even).map((count) => count * ranksPerUnit);
  const ranksOf = isDecided ? sorted.map(({ id }) => deal[id]!) : measuredOrEven;
  let firstRank = 0;
  return sorted.map(({ name, id, address }, index) => {
    const ranks = ranksOf[index]!;
    const member = { name, id, address, firstRank, ranks };
    firstRank += ranks;
    return member;
  });
}

/**
 * Returns the assignment that would shorten the current view's step by a fifth or more, by measured times, and by how much; undefined when
 * there is none, or a member has not been measured.
 */
export function betterAssignment({
  members,
  workers,
  virtualRanks,
  ranksPerUnit = 1,
}: RanksToDeal & { readonly members: readonly ViewMember[]; readonly workers: readonly MeasuredWorker[] }):
  | { readonly beforeSeconds: number; readonly afterSeconds: number; readonly slowest: string; readonly deal: Deal }
  | undefined {
  const byId = workersById(workers);
  const measured = members.map(({ id }) => byId.get(id));
  if (!measured.every((worker) => worker !== undefined && (worker.rankSeconds ?? 0) > 0)) return undefined;
  const known = measured as MeasuredWorker[];
  const before = members.map(({ ranks }) => ranks);
  const beforeSeconds = stepSeconds(known, before);
  const after = measuredRanks(known, virtualRanks / ranksPerUnit)!.map((units) => units * ranksPerUnit);
  const afterSeconds = stepSeconds(known, after);
  const slowest = known.reduce((a, b) => (a.rankSeconds! >= b.rankSeconds! ? a : b)).name;
  const deal = Object.fromEntries(known.map(({ id }, index) => [id, after[index]!]));
  return afterSeconds < WORTH_SHARE * beforeSeconds ? { beforeSeconds, afterSeconds, slowest, deal } : undefined;
}

function evenRanks(workers: number, virtualRanks: number): number[] {
  const least = Math.floor(virtualRanks / workers);
  return Array.from({ length: workers }, (_, index) => least + (index < virtualRanks % workers ? 1 : 0));
}

/**
 * Assigns one rank each, then each further rank to the worker that would finish it first. Unmeasured workers count as the mean of the
 * others.
 */
function measuredRanks(workers: readonly MeasuredWorker[], virtualRanks: number): number[] | undefined {
  const known = workers.flatMap(({ rankSeconds = 0 }) => (rankSeconds > 0 ? [rankSeconds] : []));
  if (known.length === 0) return undefined;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const secondsOf = workers.map(({ rankSeconds = 0 }) => (rankSeconds > 0 ? rankSeconds : mean));
  const ranks = workers.map(() => 1);
  for (let left = virtualRanks - workers.length; left > 0; left--) {
    const ends = ranks.map((count, index) => (count + 1) * secondsOf[index]!);
    ranks[ends.indexOf(Math.min(...ends))]!++;
  }
  return ranks;
}

/** Returns the compute time of the slowest worker. */
function stepSeconds(workers: readonly MeasuredWorker[], ranks: readonly number[]): number {
  return Math.max(...workers.map(({ rankSeconds = 0 }, index) => rankSeconds * ranks[index]!));
}
