import { MaestroError } from '@maestro/protocol';
import type { LogArchive } from '../archive/logArchive.ts';
import { readOrSkip } from '../archive/scan.ts';
import { labelsKey, type QueryLabels } from '../stream/labels.ts';
import type { LogLine } from '../stream/logLine.ts';
import { readPushed } from '../stream/pushedLine.ts';
import { variance } from './aggregate.ts';
import type { Grouping, RangeQuery, Stage, Unwrap } from './ast.ts';
import { parseGoDuration } from './duration.ts';
import { type Entry, ERROR } from './entry.ts';
import { compileFilter } from './labelFilter.ts';
import { compileMatchers, compilePipeline } from './pipeline.ts';
import { parseBytes, parseGoFloat } from './quantity.ts';
import { selectBlocks } from './selectLines.ts';
import { groupLabels, type QueryBudget, type Series } from './series.ts';

/** Evaluation times of a metric query: `startMs`, then every `stepMs`, `length` times. */
export interface StepTimes {
  readonly startMs: number;
  readonly stepMs: number;
  readonly length: number;
}

/** Context of evaluating a range. */
export interface RangeContext {
  readonly archive: LogArchive;
  readonly times: StepTimes;
  /** The length of a range of `[$__auto]`. */
  readonly autoMs: number;
  readonly budget: QueryBudget;
}

/** Collects the samples of one series, and returns its points. */
interface Gatherer {
  readonly labels: QueryLabels;
  add(timeMs: number, value: number): void;
  finish(): Promise<Series>;
}

/**
 * Evaluates a function over the lines in (t - range, t] for each step's time t. `aggregatedBy` is the grouping of an aggregation over the
 * series that is computed while lines are read.
 */
export async function evaluateRange(
  query: RangeQuery,
  { archive, times, autoMs, budget }: RangeContext,
  aggregatedBy?: { readonly grouping: Grouping | undefined },
): Promise<Series[]> {
  const { query: lines, offsetMs, function: name } = query;
  const rangeMs = query.range === 'auto' ? autoMs : query.range;
  if (times.length === 0) return [];
  const lastMs = times.startMs + (times.length - 1) * times.stepMs;
  const [fromMs, toMs] = [times.startMs - offsetMs - rangeMs, lastMs - offsetMs];
  const takesLabels = compileMatchers(lines.matchers);
  const pipeline = compilePipeline({
    stages: usesLabels(query, aggregatedBy) ? lines.stages : lines.stages.filter(({ kind }) => !PARSERS.has(kind)),
  });
  const sampleOf = compileSample(query);
  const group = grouper(query, aggregatedBy);
  const takeTurn = budget.turns;
  const gatherers = new Map<string, Gatherer>();
  /** Lines that share a label set share a cached gatherer. */
  const known = new WeakMap<QueryLabels, Gatherer>();
  const gathererOf = (labels: QueryLabels): Gatherer => {
    let gatherer = known.get(labels);
    if (gatherer !== undefined) return gatherer;
    const grouped = group(labels);
    const key = labelsKey(grouped);
    gatherer = gatherers.get(key);
    if (gatherer === undefined) {
      gatherer = isCounted(query) ? counter(query, rangeMs, grouped, times, budget) : sampler(query, rangeMs, grouped, times, budget);
      gatherers.set(key, gatherer);
    }
    known.set(labels, gatherer);
    return gatherer;
  };
  for (const { log, segment, block } of await selectBlocks(archive, lines.matchers, { fromMs: Math.floor(fromMs), toMs: toMs + 1 })) {
    await takeTurn();
    for (const line of await readOrSkip(log, segment, block)) {
      const timeMs = millisecondsOf(line);
      if (timeMs <= fromMs || timeMs > toMs || !takesLabels(line.labels)) continue;
      if (takeTurn.isOver()) await takeTurn();
      const entry = pipeline(line);
      const sample = entry === undefined ? undefined : sampleOf(entry);
      if (sample === undefined) continue;
      if (entry!.has(ERROR)) throw pipelineError(entry!);
      gathererOf(entry!.labels).add(timeMs + offsetMs, sample);
    }
  }
  const series: Series[] = [];
  for (const gatherer of gatherers.values()) series.push(await gatherer.finish());
  return name === 'absent_over_time' ? [absence(query, series[0], times, budget)] : series;
}

const PARSERS: ReadonlySet<Stage['kind']> = new Set(['json', 'logfmt', 'pattern', 'regexp']);
const USERS: ReadonlySet<Stage['kind']> = new Set(['filter', 'line_format', 'label_format']);

/**
 * True when anything depends on the parsers' results. Otherwise parsers are skipped, and a line they cannot parse is no error, as in Loki.
 */
function usesLabels(
  { function: name, query, unwrap }: RangeQuery,
  aggregatedBy: { readonly grouping: Grouping | undefined } | undefined,
): boolean {
  const isOne = aggregatedBy !== undefined && !aggregatedBy.grouping?.isWithout && (aggregatedBy.grouping?.names.length ?? 0) === 0;
  return unwrap !== undefined || !(isOne || name === 'absent_over_time') || query.stages.some(({ kind }) => USERS.has(kind));
}

/** A pushed line's time is finer than a millisecond. */
function millisecondsOf(line: LogLine): number {
  const ns = readPushed(line)?.ns;
  return ns === undefined ? line.timeMs : Number(ns / 1000n) / 1000;
}

function pipelineError(entry: Entry): MaestroError {
  const kind = entry.get(ERROR);
  const labels = [...entry.labels].map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(', ');
  return new MaestroError(
    'invalid-argument',
    `pipeline error: '${kind}' for series: '{${labels.slice(0, 1000)}}'.\n` +
      `Use a label filter to intentionally skip this error. (e.g | __error__!="${kind}").\n` +
      'To skip all potential errors you can match empty errors.(e.g __error__="")\n' +
      'The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__="" )\n',
  );
}

/** Returns the function that maps a line's labels to those of its series. */
function grouper({ function: name, unwrap, grouping }: RangeQuery, aggregatedBy: { readonly grouping: Grouping | undefined } | undefined) {
  return (labels: QueryLabels): QueryLabels => {
    if (name === 'absent_over_time') return groupLabels(labels, undefined);
    if (aggregatedBy !== undefined) return groupLabels(labels, aggregatedBy.grouping);
    // The unwrapped number itself is not a label, nor, with `without`, are the named labels.
    const left = grouping === undefined ? labels : groupLabels(labels, grouping);
    if (unwrap === undefined || (grouping !== undefined && !grouping.isWithout) || !left.has(unwrap.name)) return left;
    return new Map([...left].filter(([label]) => label !== unwrap.name));
  };
}

const CONVERSIONS: Readonly<Record<NonNullable<Unwrap['conversion']> | 'none', (text: string) => number | undefined>> = {
  none: parseGoFloat,
  bytes: parseBytes,
  duration: inSeconds,
  duration_seconds: inSeconds,
};

function inSeconds(text: string): number | undefined {
  const milliseconds = parseGoDuration(text);
  return milliseconds === undefined ? undefined : milliseconds / 1000;
}

/** Compiles the value that a line contributes; `undefined` when it contributes none. */
function compileSample({ function: name, unwrap }: RangeQuery): (entry: Entry) => number | undefined {
  if (unwrap === undefined) return name.startsWith('bytes') ? ({ text }) => Buffer.byteLength(text) : () => 1;
  const convert = CONVERSIONS[unwrap.conversion ?? 'none'];
  const filters = unwrap.filters.map(compileFilter);
  return (entry) => {
    const text = entry.get(unwrap.name);
    if (text === '') return undefined;
    const value = convert(text);
    if (value === undefined)
      entry.fail('SampleExtractionErr', `${JSON.stringify(text.slice(0, 100))} is no ${unwrap.conversion ?? 'number'}`);
    return filters.every((filter) => filter(entry)) ? (value ?? 0) : undefined;
  };
}

/** True when a function only sums integers: then no sample is kept. */
function isCounted({ function: name, unwrap }: RangeQuery): boolean {
  return name === 'absent_over_time' || unwrap === undefined;
}

/** Returns the first step at or after a time, and the first whose range lies wholly after it. */
function stepsOf(timeMs: number, rangeMs: number, { startMs, stepMs }: StepTimes): [first: number, end: number] {
  const after = (ms: number): number => Math.max(0, Math.ceil((ms - startMs) / stepMs));
  return [after(timeMs), after(timeMs + rangeMs)];
}

/** Sums integers by recording where they begin and cease to count: exact, with memory for the points only. */
function counter({ function: name }: RangeQuery, rangeMs: number, labels: QueryLabels, times: StepTimes, budget: QueryBudget): Gatherer {
  const { length } = times;
  const lines = new Int32Array(length + 1);
  const sums = new Float64Array(length + 1);
  const series = budget.series(labels, length);
  const divisor = name === 'rate' || name === 'bytes_rate' ? rangeMs / 1000 : 1;
  return {
    labels,
    add(timeMs, value) {
      const [first, end] = stepsOf(timeMs, rangeMs, times);
      if (first >= length || end <= first) return;
      lines[first]!++;
      sums[first]! += value;
      if (end >= length) return;
      lines[end]!--;
      sums[end]! -= value;
    },
    async finish() {
      await budget.turns();
      let [count, sum] = [0, 0];
      for (let i = 0; i < length; i++) {
        count += lines[i]!;
        sum += sums[i]!;
        if (count === 0) continue;
        series.isThere[i] = 1;
        series.values[i] = sum / divisor;
      }
      return series;
    },
  };
}

/** Keeps numbers with their times, and applies the function to those in each step's range. */
function sampler(query: RangeQuery, rangeMs: number, labels: QueryLabels, times: StepTimes, budget: QueryBudget): Gatherer {
  const [stamps, numbers]: [number[], number[]] = [[], []];
  const series = budget.series(labels, times.length);
  const reduce = reducer(query, rangeMs);
  return {
    labels,
    add(timeMs, value) {
      budget.sample();
      stamps.push(timeMs);
      numbers.push(value);
    },
    async finish() {
      await budget.turns();
      const order = Uint32Array.from(stamps, (_, i) => i).sort((a, b) => stamps[a]! - stamps[b]! || a - b);
      const at = Float64Array.from(order, (i) => stamps[i]!);
      const values = Float64Array.from(order, (i) => numbers[i]!);
      let [first, end] = [0, 0];
      for (let i = 0; i < times.length; i++) {
        const atMs = times.startMs + i * times.stepMs;
        while (end < at.length && at[end]! <= atMs) end++;
        while (first < end && at[first]! <= atMs - rangeMs) first++;
        if (first === end) continue;
        if (budget.turns.isOver()) await budget.turns();
        budget.looks(query.function === 'quantile_over_time' ? 10 * (end - first) : end - first);
        series.isThere[i] = 1;
        series.values[i] = reduce(values.subarray(first, end));
      }
      return series;
    },
  };
}

/** Reduces the numbers of a range, at least one and in order of time, as the function requires. */
function reducer({ function: name, parameter }: RangeQuery, rangeMs: number): (values: Float64Array) => number {
  switch (name) {
    case 'rate':
      return (values) => total(values) / (rangeMs / 1000);
    case 'sum_over_time':
      return total;
    case 'avg_over_time':
      return average;
    case 'min_over_time':
      return least;
    case 'max_over_time':
      return largest;
    case 'first_over_time':
      return (values) => values[0]!;
    case 'last_over_time':
      return (values) => values.at(-1)!;
    case 'stdvar_over_time':
      return variance;
    case 'stddev_over_time':
      return (values) => Math.sqrt(variance(values));
    case 'quantile_over_time':
      return (values) => quantile(parameter!, values);
    default:
      throw new MaestroError('internal', `internal: ${name} keeps no samples`);
  }
}

function total(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

function least(values: Float64Array): number {
  let found = Number.NaN;
  for (const value of values) if (value < found || Number.isNaN(found)) found = value;
  return found;
}

function largest(values: Float64Array): number {
  let found = Number.NaN;
  for (const value of values) if (value > found || Number.isNaN(found)) found = value;
  return found;
}

/** Computes the mean without an intermediate sum that could overflow. */
function average(values: Float64Array): number {
  let [count, mean] = [0, 0];
  for (const value of values) {
    count++;
    mean = Number.isFinite(mean) ? mean + value / count - mean / count : mean + value;
  }
  return mean;
}

/** Computes the quantile by linear interpolation between two values. */
function quantile(q: number, values: Float64Array): number {
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  const sorted = values.slice().sort();
  const rank = q * (sorted.length - 1);
  const lower = Math.floor(rank);
  const weight = rank - lower;
  return sorted[lower]! * (1 - weight) + sorted[Math.min(sorted.length - 1, lower + 1)]! * weight;
}

/** Returns 1 where there is no line, with the labels that the selector sets. */
function absence({ query }: RangeQuery, present: Series | undefined, { length }: StepTimes, budget: QueryBudget): Series {
  const count = (name: string): number => query.matchers.filter((matcher) => matcher.name === name).length;
  const labels = new Map(
    query.matchers.filter(({ name, op }) => op === '=' && count(name) === 1).map(({ name, value }): [string, string] => [name, value]),
  );
  const series = budget.series(labels, length);
  for (let i = 0; i < length; i++) {
    if (present?.isThere[i] === 1) continue;
    series.isThere[i] = 1;
    series.values[i] = 1;
  }
  return series;
}
