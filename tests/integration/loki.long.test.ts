import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { eventually } from '../support/eventually.ts';
import { LOG_QUERIES, METRIC_QUERIES, STREAMS } from '../support/logs/loki/lokiQueries.ts';
import { buildLokiTools, evaluateWithLoki, findLoki, type LokiTools } from '../support/logs/loki/lokiTools.ts';

// Loki's own command line asks our endpoint, and Loki's own engine evaluates the queries that we evaluate, over the same lines.
const BUILD_TIMEOUT_MS = 3_600_000;
const TIMEOUT_MS = 120_000;

const found = await findLoki();
const lokiTest = 'dir' in found ? test : test.skip;
const why = 'dir' in found ? '' : ` (skipped: ${found.reason})`;

let dir: string;
let cluster: Cluster;
let tools: LokiTools;
let base: string;

const START_NS = 1_700_000_000_000_000_000n;
const END_NS = START_NS + 300_000_000_000n;

beforeAll(async () => {
  if (!('dir' in found)) return;
  tools = await buildLokiTools(found.dir);
  dir = await mkdtemp(join(tmpdir(), 'maestro-loki-'));
  cluster = await startCluster({ workers: 0, dataDir: dir });
  base = `http://${cluster.http}`;
  const body = JSON.stringify({
    streams: STREAMS.map(({ labels, lines }) => ({
      stream: labels,
      values: lines.map((line, i) => [String(START_NS + BigInt(i) * 1_000_000_000n), line]),
    })),
  });
  const pushed = await fetch(`${base}/loki/api/v1/push`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  expect(pushed.status).toBe(204);
  const lines = STREAMS.reduce((sum, stream) => sum + stream.lines.length, 0);
  await eventually('all lines', async () => (await ask('query_range', { query: '{app=~".+"}', limit: '5000' })).lines === lines);
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  await cluster?.stop();
  if (dir !== undefined) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}, TIMEOUT_MS);

interface Answer {
  readonly status: number;
  readonly lines: number;
  readonly data?: { readonly resultType: string; readonly result: readonly Row[] };
  readonly message?: string;
}

interface Row {
  readonly stream?: Readonly<Record<string, string>>;
  readonly metric?: Readonly<Record<string, string>>;
  readonly values?: readonly (readonly [string | number, string])[];
  readonly value?: readonly [number, string];
}

async function ask(path: string, params: Readonly<Record<string, string>>): Promise<Answer> {
  const span = { start: String(START_NS), end: String(END_NS), direction: 'forward', step: '30s' };
  const response = await fetch(`${base}/loki/api/v1/${path}?${new URLSearchParams({ ...span, ...params })}`);
  const body = (await response.json()) as Omit<Answer, 'status' | 'lines'>;
  const lines = body.data?.result?.reduce((sum, { values }) => sum + (values?.length ?? 0), 0) ?? 0;
  // Loki's answers have a "status" of their own.
  return { ...body, status: response.status, lines };
}

/** Rows in an order of their own, numbers to ten digits; the words of mistakes are each program's own. */
function comparable(rows: readonly Row[]): unknown {
  const rounded = (value: string): string => (Number.isFinite(Number(value)) ? String(Number(Number(value).toPrecision(10))) : value);
  const labels = (given: Readonly<Record<string, string>> = {}): string =>
    JSON.stringify(
      Object.entries(given)
        .filter(([name, value]) => name !== '__error_details__' && value !== '')
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  return rows
    .map(({ stream, metric, values, value }) => [
      labels(stream ?? metric),
      (values ?? [value!]).map(([at, text]) => [
        stream === undefined ? Number(at) : String(at),
        stream === undefined ? rounded(text) : text,
      ]),
    ])
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

lokiTest(
  `queries give what Loki's engine gives, or are refused where it refuses them${why}`,
  async () => {
    const queries = [...LOG_QUERIES, ...METRIC_QUERIES];
    const streams = STREAMS.map(({ labels, lines }) => ({
      labels,
      entries: lines.map((line, i) => ({ ns: START_NS + BigInt(i) * 1_000_000_000n, line })),
    }));
    const answers = await evaluateWithLoki(tools.engine, {
      streams,
      queries: queries.map((query) => ({ query, startNs: START_NS, endNs: END_NS, stepNs: 30_000_000_000n })),
    });
    const differences: object[] = [];
    for (const [i, query] of queries.entries()) {
      const [theirs, ours] = [answers[i]!, await ask('query_range', { query, limit: '5000' })];
      const expected = theirs.error === undefined ? [200, comparable(theirs.result as readonly Row[])] : [400, undefined];
      const actual = [ours.status, ours.status === 200 ? comparable(ours.data!.result) : undefined];
      if (JSON.stringify(actual) !== JSON.stringify(expected))
        differences.push({ query, expected, actual, theirs: theirs.error, ours: ours.message });
    }
    expect(differences).toEqual([]);
  },
  TIMEOUT_MS,
);

lokiTest(
  `queries are formatted as Loki formats them${why}`,
  async () => {
    const queries = [...LOG_QUERIES, ...METRIC_QUERIES];
    const answers = await evaluateWithLoki(tools.engine, {
      streams: [],
      queries: queries.map((query) => ({ query, startNs: START_NS, endNs: END_NS, stepNs: 30_000_000_000n })),
    });
    const differences: object[] = [];
    for (const [i, query] of queries.entries()) {
      const { formatted } = answers[i]!;
      if (formatted === undefined) continue;
      const response = await fetch(`${base}/loki/api/v1/format_query?${new URLSearchParams({ query })}`);
      const { data } = (await response.json()) as { readonly data: string };
      // Loki leaves spaces behind `on (...)`, and writes some patterns in backticks.
      const plain = (text: string): string => text.replace(/ +/g, ' ').replace(/ $/gm, '').replaceAll('`', '"');
      if (plain(data) !== plain(formatted)) differences.push({ query, formatted, data });
    }
    expect(differences).toEqual([]);
  },
  TIMEOUT_MS,
);

const logcli = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(tools.logcli, ['--quiet', '--addr', base, ...args], { maxBuffer: 64 * 1024 * 1024 })).stdout;

const SPAN = ['--from', '2023-11-14T22:13:20Z', '--to', '2023-11-14T22:18:20Z'];

lokiTest(
  `logcli asks for lines, in pages and either direction, numbers, labels, series, volumes and fields${why}`,
  async () => {
    const { labels, lines } = STREAMS[0]!;
    const selector = `{app="${labels['app']}"}`;
    const forward = await logcli('query', selector, ...SPAN, '--forward', '--limit', '1000', '--batch', '7', '--output', 'raw');
    expect(forward.trimEnd().split('\n')).toEqual(lines);
    const backward = await logcli('query', selector, ...SPAN, '--limit', '3', '--output', 'jsonl');
    expect(
      backward
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { line: string }).line),
    ).toEqual(lines.slice(-3).reverse());
    const counted = JSON.parse(await logcli('instant-query', `sum(count_over_time(${selector}[5m]))`, '--now', '2023-11-14T22:18:20Z'));
    expect(counted).toEqual([{ metric: {}, value: [1_700_000_300, expect.stringMatching(/^\d+$/)] }]);
    const ranged = JSON.parse(await logcli('query', `sum by (app) (rate(${selector}[1m]))`, ...SPAN, '--step', '60s'));
    expect(ranged).toEqual([{ metric: { app: labels['app'] }, values: expect.any(Array) }]);
    expect((await logcli('labels', 'app', ...SPAN)).trim().split('\n').sort()).toEqual(
      [...new Set(STREAMS.map((each) => each.labels['app']))].sort(),
    );
    expect(await logcli('series', selector, ...SPAN)).toContain(`app="${labels['app']}"`);
    expect(await logcli('stats', selector, ...SPAN)).toMatch(/streams: 1\n\s*entries: \d+/);
    expect(await logcli('volume', selector, ...SPAN)).toContain(`"app": "${labels['app']}"`);
    expect(await logcli('detected-fields', selector, ...SPAN)).not.toBe('');
    await expect(logcli('query', `${selector} | unpack`, ...SPAN)).rejects.toThrow('the stage | unpack is not supported');
  },
  TIMEOUT_MS,
);

lokiTest(
  `logcli follows lines as they come${why}`,
  async () => {
    const tail = spawn(tools.logcli, ['--quiet', '--addr', base, 'query', '--tail', '{app="tail"} | logfmt | n > 1', '--output', 'raw']);
    let output = '';
    tail.stdout.setEncoding('utf8').on('data', (part: string) => {
      output += part;
    });
    try {
      await eventually('both lines', async () => {
        const at = BigInt(Date.now()) * 1_000_000n;
        const values = [1, 2, 3].map((n) => [String(at + BigInt(n)), `n=${n}`]);
        const body = JSON.stringify({ streams: [{ stream: { app: 'tail' }, values }] });
        await fetch(`${base}/loki/api/v1/push`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
        return /n=2\nn=3\n/.test(output);
      });
      expect(output).not.toContain('n=1');
    } finally {
      tail.kill();
    }
  },
  TIMEOUT_MS,
);
