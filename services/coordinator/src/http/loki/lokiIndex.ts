import {
  compileMatchers,
  type LogArchive,
  labelName,
  labelsKey,
  labelsObject,
  type Matcher,
  nanosecondsOf,
  parseFields,
  parseQuery,
  parseSelector,
  type QueryLabels,
  queryLabelsOf,
  selectBlocks,
  selectLines,
} from '@maestro/logs';
import { MaestroError } from '@maestro/protocol';
import { type LokiParams, param, paramList, parseLimit, parseSpan, requiredParam, spanMs } from './lokiParams.ts';
import { success } from './lokiQuery.ts';

/** Default span of label queries: six hours, as in Loki. */
const LABELS_MS = 6 * 3_600_000;

/** Returns the label sets of lines that a selector matches in a span, with the lines and bytes of their parts of files. */
async function labelSets(
  archive: LogArchive,
  matchers: readonly Matcher[],
  params: LokiParams,
): Promise<{ readonly labels: QueryLabels; readonly bytes: number }[]> {
  const takes = compileMatchers(matchers);
  const sets = new Map<string, { readonly labels: QueryLabels; bytes: number }>();
  for (const { segment, block } of await selectBlocks(archive, matchers, spanMs(parseSpan(params, LABELS_MS)))) {
    for (const index of block.sets) {
      const { labels: stream, bytes } = segment.sets[index]!;
      if (!takes(stream)) continue;
      const labels = queryLabelsOf(stream);
      const key = labelsKey(labels);
      const set = sets.get(key) ?? { labels, bytes: 0 };
      // Bytes of a label set are known for a whole file: take the block's share of it.
      set.bytes += (bytes * block.bytes) / segment.bytes;
      sets.set(key, set);
    }
  }
  return [...sets.values()];
}

/** Parses the selector of a query; all lines when there is none. */
function matchersOf(params: LokiParams): readonly Matcher[] {
  const query = param(params, 'query');
  if (query === undefined) return [];
  const parsed = parseQuery(query);
  if (parsed.kind !== 'log') throw new MaestroError('invalid-argument', 'query: only a selector such as {job="..."} is supported here');
  return parsed.matchers;
}

/** Answers `labels`. */
export async function labelNames(archive: LogArchive, params: LokiParams): Promise<object> {
  const sets = await labelSets(archive, matchersOf(params), params);
  return { status: 'success', data: [...new Set(sets.flatMap(({ labels }) => [...labels.keys()]))].sort() };
}

/** Answers `label/<name>/values`. */
export async function labelValues(archive: LogArchive, name: string, params: LokiParams): Promise<object> {
  const sets = await labelSets(archive, matchersOf(params), params);
  return { status: 'success', data: [...new Set(sets.flatMap(({ labels }) => labels.get(name) ?? []))].sort() };
}

/** Answers `series`. */
export async function series(archive: LogArchive, params: LokiParams): Promise<object> {
  const selectors = [...paramList(params, 'match[]'), ...paramList(params, 'match')];
  if (selectors.length === 0) throw new MaestroError('invalid-argument', 'match[]: 0 matcher groups supplied');
  const found = new Map<string, QueryLabels>();
  for (const selector of selectors.slice(0, 20)) {
    for (const { labels } of await labelSets(archive, parseSelector(selector), params)) found.set(labelsKey(labels), labels);
  }
  return { status: 'success', data: [...found.values()].map(labelsObject) };
}

/** Answers `index/stats`: how much a query would scan. */
export async function indexStats(archive: LogArchive, params: LokiParams): Promise<object> {
  const matchers = matchersOf({ query: requiredParam(params, 'query') });
  const blocks = await selectBlocks(archive, matchers, spanMs(parseSpan(params)));
  const sets = await labelSets(archive, matchers, params);
  const sum = (of: 'lines' | 'bytes'): number => blocks.reduce((total, { block }) => total + block[of], 0);
  return { streams: sets.length, chunks: blocks.length, entries: sum('lines'), bytes: sum('bytes') };
}

/** Answers `index/volume`: bytes by labels, the largest first. */
export async function indexVolume(archive: LogArchive, params: LokiParams): Promise<object> {
  const matchers = matchersOf({ query: requiredParam(params, 'query') });
  const limit = parseLimit(params);
  const { endNs } = parseSpan(params);
  const targets = param(params, 'targetLabels')?.split(',') ?? matchers.map(({ name }) => name);
  const isByName = param(params, 'aggregateBy') === 'labels';
  const volumes = new Map<string, { readonly metric: QueryLabels; bytes: number }>();
  for (const { labels, bytes } of await labelSets(archive, matchers, params)) {
    const of: QueryLabels = targets.length === 0 ? labels : new Map([...labels].filter(([name]) => targets.includes(name)));
    for (const metric of isByName ? [...of.keys()].map((name) => new Map([[name, '']])) : [of]) {
      const key = JSON.stringify([...metric].sort(([a], [b]) => (a < b ? -1 : 1)));
      const volume = volumes.get(key) ?? { metric, bytes: 0 };
      volume.bytes += bytes;
      volumes.set(key, volume);
    }
  }
  const sorted = [...volumes.values()].sort((a, b) => b.bytes - a.bytes).slice(0, limit);
  const seconds = Number(endNs / 1_000_000n) / 1000;
  return success(
    'vector',
    sorted.map(({ metric, bytes }) => ({ metric: labelsObject(metric), value: [seconds, String(Math.round(bytes))] })),
  );
}

/** Answers `detected_labels`. */
export async function detectedLabels(archive: LogArchive, params: LokiParams): Promise<object> {
  const values = new Map<string, Set<string>>();
  for (const { labels } of await labelSets(archive, matchersOf(params), params)) {
    for (const [name, value] of labels) values.set(name, (values.get(name) ?? new Set()).add(value));
  }
  return { detectedLabels: [...values].map(([label, { size }]) => ({ label, cardinality: size })) };
}

/** Answers `detected_fields`: the fields that `| json` would find in the newest lines. */
export async function detectedFields(archive: LogArchive, params: LokiParams, signal: AbortSignal): Promise<object> {
  const limit = parseLimit(params, 'limit', 1000);
  const found = await fieldValues(archive, params, signal);
  const fields = [...found].slice(0, limit).map(([label, values]) => ({
    label,
    type: typeOf(values),
    cardinality: values.size,
    parsers: ['json'],
  }));
  return { fields, limit };
}

/** Answers `detected_field/<name>/values`. */
export async function detectedFieldValues(archive: LogArchive, name: string, params: LokiParams, signal: AbortSignal): Promise<object> {
  const limit = parseLimit(params, 'limit', 1000);
  const values = (await fieldValues(archive, params, signal)).get(name) ?? new Set<string>();
  return { values: [...values].slice(0, limit), limit };
}

async function fieldValues(archive: LogArchive, params: LokiParams, signal: AbortSignal): Promise<Map<string, Set<string>>> {
  const query = parseQuery(requiredParam(params, 'query'));
  if (query.kind !== 'log') throw new MaestroError('invalid-argument', 'query: only a log query is supported here');
  const span = parseSpan(params);
  const lines = await selectLines(archive, query, {
    ...spanMs(span),
    limit: parseLimit(params, 'line_limit', 1000),
    isBackward: true,
    takes: (line) => nanosecondsOf(line) >= span.startNs && nanosecondsOf(line) < span.endNs,
    signal,
  });
  const fields = new Map<string, Set<string>>();
  for (const { text } of lines) {
    for (const [key, value] of Object.entries(parseFields(text) ?? {})) {
      if (typeof value === 'object') continue;
      const name = labelName(key);
      fields.set(name, (fields.get(name) ?? new Set()).add(String(value)));
    }
  }
  return fields;
}

function typeOf(values: ReadonlySet<string>): string {
  const all = (pattern: RegExp): boolean => [...values].every((value) => pattern.test(value));
  if (all(/^-?\d+$/)) return 'int';
  if (all(/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i)) return 'float';
  return all(/^(true|false)$/) ? 'boolean' : 'string';
}
