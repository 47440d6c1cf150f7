import {
  evaluateMetric,
  type FoundLine,
  formatPlain,
  formatQuery,
  type LogArchive,
  labelsKey,
  labelsObject,
  nanosecondsOf,
  parseQuery,
  type QueryLabels,
  type Series,
  selectLines,
} from '@maestro/logs';
import { MaestroError } from '@maestro/protocol';
import {
  isBackward,
  type LokiParams,
  param,
  parseIntervalMs,
  parseLimit,
  parseNanoseconds,
  parseSpan,
  parseStepMs,
  requiredParam,
  spanMs,
} from './lokiParams.ts';

/** A stream of lines in Loki's format. */
export interface LokiStream {
  readonly stream: Readonly<Record<string, string>>;
  /** Nanoseconds and line. */
  readonly values: [string, string][];
}

/** Answers `query_range`. */
export async function queryRange(archive: LogArchive, params: LokiParams, signal: AbortSignal): Promise<object> {
  const query = parseQuery(requiredParam(params, 'query'));
  const span = parseSpan(params);
  const stepMs = parseStepMs(params, span);
  if (query.kind !== 'log') {
    const { fromMs, toMs } = spanMs(span);
    const series = await evaluateMetric(archive, query, { startMs: fromMs, endMs: toMs, stepMs }, { signal });
    return success(
      'matrix',
      series.map((each) => matrixRow(each, fromMs, stepMs)),
    );
  }
  const backward = isBackward(params);
  const lines = await selectLines(archive, query, {
    ...spanMs(span),
    limit: parseLimit(params),
    isBackward: backward,
    intervalMs: parseIntervalMs(params),
    takes: (line) => {
      const ns = nanosecondsOf(line);
      return ns >= span.startNs && ns < span.endNs;
    },
    signal,
  });
  return success('streams', toStreams(lines, backward));
}

/** Answers `query`: a metric at one point in time. */
export async function queryInstant(archive: LogArchive, params: LokiParams, signal: AbortSignal): Promise<object> {
  const query = parseQuery(requiredParam(params, 'query'));
  const time = param(params, 'time');
  const timeMs = time === undefined ? Date.now() : Number(parseNanoseconds('time', time)) / 1e6;
  if (query.kind === 'log') {
    throw new MaestroError(
      'invalid-argument',
      'log queries are not supported as an instant query type, please change your query to a range query type',
    );
  }
  if (query.kind === 'number') return success('scalar', [timeMs / 1000, formatPlain(query.value)]);
  const autoMs = 3_600_000;
  const series = await evaluateMetric(archive, query, { startMs: timeMs, endMs: timeMs, stepMs: 1 }, { autoMs, signal });
  const result = series.map(({ labels, values }) => ({ metric: labelsObject(labels), value: [timeMs / 1000, formatPlain(values[0]!)] }));
  return success('vector', result);
}

/** Answers `format_query`: the query as formatted by Loki. */
export function formattedQuery(params: LokiParams): object {
  return { status: 'success', data: formatQuery(parseQuery(requiredParam(params, 'query'))) };
}

/** Groups lines by their labels; sorts those of a stream by time. */
export function toStreams(lines: readonly FoundLine[], backward: boolean): LokiStream[] {
  const streams = new Map<string, { readonly stream: Readonly<Record<string, string>>; readonly values: [bigint, string][] }>();
  // Lines of a stream whose labels no stage changed share one map.
  const keys = new WeakMap<QueryLabels, string>();
  for (const { line, text, labels } of lines) {
    const key = keys.get(labels) ?? labelsKey(labels);
    keys.set(labels, key);
    const stream = streams.get(key) ?? { stream: labelsObject(labels), values: [] };
    streams.set(key, stream);
    stream.values.push([nanosecondsOf(line), text]);
  }
  const sign = backward ? -1 : 1;
  return [...streams.values()].map(({ stream, values }) => ({
    stream,
    values: values.sort(([a], [b]) => sign * Number(a - b)).map(([ns, text]) => [String(ns), text]),
  }));
}

function matrixRow({ labels, values, isThere }: Series, startMs: number, stepMs: number): object {
  const points: [number, string][] = [];
  for (let i = 0; i < values.length; i++) if (isThere[i] === 1) points.push([(startMs + i * stepMs) / 1000, formatPlain(values[i]!)]);
  return { metric: labelsObject(labels), values: points };
}

/** Wraps an answer in Loki's envelope. */
export function success(resultType: 'streams' | 'matrix' | 'vector' | 'scalar', result: readonly unknown[]): object {
  return { status: 'success', data: { resultType, result, stats: {} } };
}
