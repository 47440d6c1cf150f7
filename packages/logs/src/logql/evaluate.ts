import { MaestroError } from '@maestro/protocol';
import { labelsKey } from '../labels.ts';
import type { LogArchive } from '../logArchive.ts';
import { CLUSTER, type LogLine } from '../logLine.ts';
import { createTurns, type FoundBlock, findBlocks, readOrSkip } from '../scan.ts';
import type { Grouping, LogQuery, Matcher, MetricQuery } from './ast.ts';
import { compileMatchers, compilePipeline, type QueryLabels } from './pipeline.ts';

/** A line with the labels that its query gave it. */
export interface FoundLine {
  readonly line: LogLine;
  readonly labels: QueryLabels;
}

/** Numbers over time: `points` has one for each step, `undefined` where there is none. */
export interface Series {
  readonly labels: QueryLabels;
  readonly points: readonly (number | undefined)[];
}

/** When a metric query is evaluated: at `startMs`, then each `stepMs`, up to and including `endMs`. */
export interface Steps {
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

/** Most points of a series, as Loki has it. */
const MOST_POINTS = 11_000;
/** Most series of an answer. */
const MOST_SERIES = 500;

/** The blocks of all jobs whose lines a selector may match. Only the jobs that it can mean are looked at. */
export async function selectBlocks(
  archive: LogArchive,
  matchers: readonly Matcher[],
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<FoundBlock[]> {
  const takesLabels = compileMatchers(matchers);
  const takesJob = compileMatchers(matchers.filter(({ name }) => name === 'job'));
  const jobs = (await archive.jobs()).filter((job) => takesJob(job === CLUSTER ? {} : { job }));
  const logs = await Promise.all(jobs.map((job) => archive.open(job)));
  return logs.flatMap((log) => findBlocks(log, { takesLabels, fromMs, toMs }));
}

/** The first (or, backward, the last) lines of all jobs that pass, by time, from `fromMs` (inclusive) to `toMs` (exclusive). */
export async function selectLines(
  archive: LogArchive,
  query: LogQuery,
  {
    fromMs,
    toMs,
    limit,
    isBackward,
    intervalMs = 0,
    takes = () => true,
    signal,
  }: {
    readonly fromMs: number;
    readonly toMs: number;
    readonly limit: number;
    readonly isBackward: boolean;
    /** Between two lines of a stream there is at least so much time. */
    readonly intervalMs?: number;
    /** What else a line must fulfil. */
    readonly takes?: (line: LogLine) => boolean;
    readonly signal?: AbortSignal;
  },
): Promise<FoundLine[]> {
  const blocks = await selectBlocks(archive, query.matchers, { fromMs, toMs });
  const takesLabels = compileMatchers(query.matchers);
  const pipeline = compilePipeline(query);
  const takeTurn = createTurns(signal);
  const sign = isBackward ? -1 : 1;
  const near = ({ block }: FoundBlock): number => (isBackward ? -block.maxMs : block.minMs);
  const order = (a: FoundLine, b: FoundLine): number => sign * (a.line.timeMs - b.line.timeMs || a.line.ordinal - b.line.ordinal);
  // Thinned lines are chosen from all: which of them stay depends on those before.
  const most = intervalMs > 0 ? Number.POSITIVE_INFINITY : limit;
  let found: FoundLine[] = [];
  blocks.sort((a, b) => near(a) - near(b));
  for (const { log, segment, block } of blocks) {
    if (found.length >= most) {
      found = found.sort(order).slice(0, most);
      if (near({ log, segment, block }) > sign * found.at(-1)!.line.timeMs) break;
    }
    await takeTurn();
    for (const line of await readOrSkip(log, segment, block)) {
      if (line.timeMs < fromMs || line.timeMs >= toMs || !takesLabels(line.labels) || !takes(line)) continue;
      const labels = pipeline(line);
      if (labels !== undefined) found.push({ line, labels });
    }
  }
  found.sort(order);
  return (intervalMs > 0 ? thinned(found, intervalMs) : found).slice(0, limit);
}

function thinned(lines: readonly FoundLine[], intervalMs: number): FoundLine[] {
  const lastMs = new Map<string, number>();
  return lines.filter(({ line, labels }) => {
    const key = labelsKey(labels);
    const last = lastMs.get(key);
    if (last !== undefined && Math.abs(line.timeMs - last) < intervalMs) return false;
    lastMs.set(key, line.timeMs);
    return true;
  });
}

/**
 * Evaluates a query that gives numbers.
 * @throws MaestroError `invalid-argument` for more points or series than are given.
 */
export async function evaluateMetric(
  archive: LogArchive,
  query: MetricQuery,
  { startMs, endMs, stepMs }: Steps,
  { autoMs = stepMs, signal }: { readonly autoMs?: number; readonly signal?: AbortSignal } = {},
): Promise<Series[]> {
  const count = Math.floor((endMs - startMs) / stepMs) + 1;
  if (count > MOST_POINTS) {
    throw new MaestroError(
      'invalid-argument',
      `${count} points a series are asked for; at most ${MOST_POINTS} are given, with a longer step`,
    );
  }
  const times = Array.from({ length: Math.max(0, count) }, (_, i) => startMs + i * stepMs);
  const evaluate = async (of: MetricQuery): Promise<Series[]> => {
    switch (of.kind) {
      case 'number':
      case 'vector':
        return [{ labels: {}, points: times.map(() => of.value) }];
      case 'range':
        return evaluateRange(archive, of, times, autoMs, { signal });
      case 'aggregate':
        // Sums are added up as lines are counted: behind `| json` nearly every line is a stream of its own.
        if (of.function === 'sum' && of.of.kind === 'range') {
          return evaluateRange(archive, of.of, times, autoMs, { signal, group: (labels) => groupLabels(labels, of.grouping) });
        }
        return aggregate(await evaluate(of.of), of.function, of.grouping, times.length);
      case 'arithmetic':
        return calculate(of.op, await evaluate(of.left), await evaluate(of.right), isPlain(of.left));
    }
  };
  return evaluate(query);
}

function requireFew(series: number): void {
  if (series <= MOST_SERIES) return;
  throw new MaestroError('invalid-argument', `the query gives more than ${MOST_SERIES} series; group them with sum by (...)`);
}

type RangeQuery = Extract<MetricQuery, { kind: 'range' }>;

/** Counts lines in (t - range, t] for each time t. */
async function evaluateRange(
  archive: LogArchive,
  { query, function: name, range, offsetMs }: RangeQuery,
  times: readonly number[],
  autoMs: number,
  {
    signal,
    group = (labels) => labels,
  }: { readonly signal?: AbortSignal | undefined; readonly group?: (labels: QueryLabels) => QueryLabels },
): Promise<Series[]> {
  const rangeMs = range === 'auto' ? autoMs : range;
  if (times.length === 0) return [];
  const fromMs = times[0]! - offsetMs - rangeMs;
  const toMs = times.at(-1)! - offsetMs + 1e-3;
  const takesLabels = compileMatchers(query.matchers);
  const pipeline = compilePipeline(query);
  const takeTurn = createTurns(signal);
  const isBytes = name.startsWith('bytes');
  const streams = new Map<string, { readonly labels: QueryLabels; readonly samples: [timeMs: number, value: number][] }>();
  for (const { log, segment, block } of await selectBlocks(archive, query.matchers, { fromMs, toMs })) {
    await takeTurn();
    for (const line of await readOrSkip(log, segment, block)) {
      if (line.timeMs <= fromMs || line.timeMs > toMs || !takesLabels(line.labels)) continue;
      const passed = pipeline(line);
      if (passed === undefined) continue;
      const labels = group(passed);
      const key = labelsKey(labels);
      let stream = streams.get(key);
      if (stream === undefined) {
        stream = { labels, samples: [] };
        streams.set(key, stream);
        requireFew(streams.size);
      }
      stream.samples.push([line.timeMs, isBytes ? line.text.length : 1]);
    }
  }
  const divisor = name === 'rate' || name === 'bytes_rate' ? rangeMs / 1000 : 1;
  return [...streams.values()].map(({ labels, samples }) => {
    samples.sort(([a], [b]) => a - b);
    let [first, next, sum] = [0, 0, 0];
    const points = times.map((time) => {
      const atMs = time - offsetMs;
      for (; next < samples.length && samples[next]![0] <= atMs; next++) sum += samples[next]![1];
      for (; first < next && samples[first]![0] <= atMs - rangeMs; first++) sum -= samples[first]![1];
      return first === next ? undefined : sum / divisor;
    });
    return { labels, points };
  });
}

function aggregate(
  series: readonly Series[],
  name: Extract<MetricQuery, { kind: 'aggregate' }>['function'],
  grouping: Grouping | undefined,
  count: number,
): Series[] {
  const groups = new Map<string, { readonly labels: QueryLabels; readonly members: Series[] }>();
  for (const each of series) {
    const labels = groupLabels(each.labels, grouping);
    const key = labelsKey(labels);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { labels, members: [each] });
    else group.members.push(each);
  }
  return [...groups.values()].map(({ labels, members }) => ({
    labels,
    points: Array.from({ length: count }, (_, i) => {
      const values = members.map(({ points }) => points[i]).filter((value) => value !== undefined);
      return values.length === 0 ? undefined : combine(name, values);
    }),
  }));
}

function groupLabels(labels: Readonly<QueryLabels>, grouping: Grouping | undefined): QueryLabels {
  if (grouping === undefined) return {};
  return Object.fromEntries(Object.entries(labels).filter(([name]) => grouping.names.includes(name) !== grouping.isWithout));
}

function combine(name: Extract<MetricQuery, { kind: 'aggregate' }>['function'], values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  if (name === 'sum') return sum;
  if (name === 'avg') return sum / values.length;
  if (name === 'count') return values.length;
  return values.reduce((a, b) => (name === 'min' ? Math.min(a, b) : Math.max(a, b)));
}

function isPlain(query: MetricQuery): boolean {
  if (query.kind === 'arithmetic') return isPlain(query.left) && isPlain(query.right);
  return query.kind === 'number' || query.kind === 'vector';
}

/** One side at least is a plain number, as the parser has seen to. */
function calculate(op: '+' | '-' | '*' | '/', left: readonly Series[], right: readonly Series[], isLeftPlain: boolean): Series[] {
  const apply = {
    '+': (a: number, b: number) => a + b,
    '-': (a: number, b: number) => a - b,
    '*': (a: number, b: number) => a * b,
    '/': (a: number, b: number) => a / b,
  }[op];
  const [many, plain] = isLeftPlain ? [right, left[0]!] : [left, right[0]!];
  return many.map(({ labels, points }) => ({
    labels,
    points: points.map((value, i) => {
      const other = plain.points[i]!;
      if (value === undefined) return undefined;
      return isLeftPlain ? apply(other, value) : apply(value, other);
    }),
  }));
}
