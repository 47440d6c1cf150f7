/** Turns of one side of a comparison, one number a round: seconds, or bytes. */
export type Turns = readonly number[];

/** Turns of one of ours and of each way in which the peer does the same, taken in turn: element i of each is of round i. */
export interface Rounds {
  readonly ours: Turns;
  /** By the name of the way; NaN in rounds in which it was left out. */
  readonly peers: Readonly<Record<string, Turns>>;
}

/** Ours over the best of the peer. */
export interface Ratio {
  /** Median of the ratios round by round; null when there is none. */
  readonly ratio: number | null;
  /** Medians of both sides, in the unit of the turns. */
  readonly ours?: number;
  readonly peer?: number;
  /** Rounds in which both sides took part. */
  readonly pairs: number;
  /** The peer's best way. */
  readonly way?: string;
  /** Why there is no ratio, or what a reader of it must know. */
  readonly note?: string;
}

/** Returns the median, the mean of the middle two of an even number; NaN of nothing. */
export function medianOf(values: Turns): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Returns ours over theirs in the rounds in which both were measured. */
export function pairRatios(ours: Turns, theirs: Turns): number[] {
  return ours.flatMap((own, round) => {
    const ratio = own / (theirs[round] ?? Number.NaN);
    return Number.isFinite(ratio) ? [ratio] : [];
  });
}

/** Returns the ratio to the peer's best way: the one that makes ours look worst, of those in `isCounted`. */
export function ratioToBest({ ours, peers }: Rounds, isCounted: (way: string) => boolean = () => true): Ratio {
  let best: Ratio = { ratio: null, pairs: 0, note: 'no way of the peer could be measured' };
  for (const [way, theirs] of Object.entries(peers)) {
    const ratios = isCounted(way) ? pairRatios(ours, theirs) : [];
    if (ratios.length === 0) continue;
    const ratio = medianOf(ratios);
    if (best.ratio !== null && ratio <= best.ratio) continue;
    const both = ours.map((_, round) => round).filter((round) => Number.isFinite(ours[round]! / (theirs[round] ?? Number.NaN)));
    const over = (turns: Turns): number => medianOf(both.map((round) => turns[round]!));
    best = { ratio, ours: over(ours), peer: over(theirs), pairs: ratios.length, way };
  }
  return best;
}

/**
 * Returns the ways worth more rounds: those within `margin` of the fastest, by the ratios of the rounds so far. The others cannot become the
 * best by the noise of a round.
 */
export function contenders({ ours, peers }: Rounds, margin = 1.15): string[] {
  const speeds = Object.entries(peers).map(([way, theirs]) => [way, medianOf(pairRatios(ours, theirs))] as const);
  const best = Math.max(...speeds.map(([, speed]) => (Number.isNaN(speed) ? 0 : speed)));
  return speeds.filter(([, speed]) => speed * margin >= best).map(([way]) => way);
}
