import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type LokiServer, startLokiServer } from '../../testing/lokiServer.ts';

/** The client of the package that @fastify/websocket brings, which has no types. */
const { WebSocket } = createRequire(createRequire(import.meta.url).resolve('@fastify/websocket'))('ws') as {
  WebSocket: new (
    url: string,
  ) => {
    on(event: 'message', listener: (data: Buffer) => void): void;
    once(event: 'open' | 'error', listener: (value: unknown) => void): void;
    close(): void;
  };
};

// The requests of Grafana's Loki data source as its source code builds them (pkg/tsdb/loki/api.go, public/app/plugins/datasource/loki),
// and those of logcli (pkg/logcli/client). Lines are of a fixed minute.
const JOB = 'job-01test';
const START_MS = 1_700_000_000_000;
const START = `${START_MS}000000`;
const END = `${START_MS + 60_000}000000`;

let server: LokiServer;
let origin: string;

beforeAll(async () => {
  server = await startLokiServer();
  ({ origin } = server);
  // 60 lines, one a second: every tenth is a warning, every thirtieth an error, of two workers in turn.
  for (let step = 0; step < 60; step++) {
    const level = step % 30 === 0 ? 'error' : step % 10 === 0 ? 'warn' : 'info';
    write({
      level,
      time: new Date(START_MS + 1000 * step).toISOString(),
      step,
      loss: step / 7,
      worker: `worker-${'ab'[step % 2]}`,
      peer: { name: 'x' },
    });
  }
  await settle();
});

afterAll(() => server.close());

function write(fields: object): void {
  server.sink.push(`${JSON.stringify({ role: 'worker', worker: 'worker-a', job: JOB, ...fields, msg: 'step committed' })}\n`);
}

const settle = (): Promise<void> => server.settle();

const ask: LokiServer['ask'] = (path, params) => server.ask(path, params);

// biome-ignore lint/suspicious/noExplicitAny: answers are compared as they are
async function get(path: string, params?: Record<string, string | number>): Promise<any> {
  const response = await ask(path, params);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, expect.stringContaining('application/json')]);
  return response.json();
}

interface Stream {
  stream: Record<string, string>;
  values: [string, string][];
}
const stepsOf = (streams: readonly Stream[]): number[] =>
  streams.flatMap(({ values }) => values.map(([, line]) => JSON.parse(line).step)).sort((a, b) => a - b);

test('Grafana: save and test', async () => {
  expect(await get('/loki/api/v1/query', { direction: 'backward', query: 'vector(1)+vector(1)', time: 4000000000 })).toMatchObject({
    status: 'success',
    data: { resultType: 'vector', result: [{ metric: {}, value: [4, '2'] }] },
  });
  expect(await get('/loki/api/v1/status/buildinfo')).toMatchObject({ version: expect.any(String) });
  expect(await (await ask('/ready')).text()).toBe('ready\n');
});

test('Grafana: label names, values and series of the query editor', async () => {
  const span = { start: START, end: END };
  expect(await get('/loki/api/v1/labels', span)).toEqual({ status: 'success', data: ['job', 'level', 'role', 'worker'] });
  expect(await get('/loki/api/v1/labels', { ...span, query: '{job="none"}' })).toEqual({ status: 'success', data: [] });
  expect(await get('/loki/api/v1/label/worker/values', span)).toEqual({ status: 'success', data: ['worker-a', 'worker-b'] });
  expect(await get('/loki/api/v1/label/worker/values', { ...span, query: '{level="error"}' })).toEqual({
    status: 'success',
    data: ['worker-a'],
  });
  expect(await get('/loki/api/v1/label/worker/values', { start: '1', end: '2' })).toEqual({ status: 'success', data: [] });
  expect(await get('/loki/api/v1/series', { ...span, 'match[]': `{job="${JOB}", level=~"warn|error"}` })).toEqual({
    status: 'success',
    data: expect.arrayContaining([
      { job: JOB, role: 'worker', worker: 'worker-a', level: 'error' },
      { job: JOB, role: 'worker', worker: 'worker-a', level: 'warn' },
    ]),
  });
  expect(await get('/loki/api/v1/detected_labels', span)).toEqual({
    detectedLabels: expect.arrayContaining([
      { label: 'worker', cardinality: 2 },
      { label: 'level', cardinality: 3 },
    ]),
  });
});

test('Grafana: how much a query would read, volumes and fields', async () => {
  const span = { query: `{job="${JOB}"}`, start: START, end: END };
  const stats = await get('/loki/api/v1/index/stats', span);
  expect(stats).toEqual({ streams: 4, chunks: expect.any(Number), entries: 60, bytes: expect.any(Number) });
  const volume = await get('/loki/api/v1/index/volume', { ...span, limit: 100, targetLabels: 'worker' });
  expect(volume.data).toMatchObject({
    resultType: 'vector',
    result: expect.arrayContaining([{ metric: { worker: 'worker-b' }, value: [START_MS / 1000 + 60, expect.stringMatching(/^\d+$/)] }]),
  });
  const { fields } = await get('/loki/api/v1/detected_fields', { ...span, limit: 1000 });
  expect(fields).toEqual(
    expect.arrayContaining([
      { label: 'step', type: 'int', cardinality: 60, parsers: ['json'] },
      { label: 'loss', type: 'float', cardinality: 60, parsers: ['json'] },
      { label: 'msg', type: 'string', cardinality: 1, parsers: ['json'] },
    ]),
  );
  expect((await get('/loki/api/v1/detected_field/worker/values', { ...span, limit: 1000 })).values.sort()).toEqual([
    'worker-a',
    'worker-b',
  ]);
});

test('Grafana Explore: lines, newest first, with a limit; the start counts, the end does not', async () => {
  const explore = (query: string, more: object = {}) =>
    get('/loki/api/v1/query_range', { direction: 'backward', end: END, limit: 1000, query, start: START, step: '15000ms', ...more });
  const { data } = await explore(`{job="${JOB}"}`);
  expect(data.resultType).toBe('streams');
  expect(data.result).toHaveLength(4);
  expect(stepsOf(data.result)).toEqual(Array.from({ length: 60 }, (_, i) => i));
  for (const { stream, values } of data.result as Stream[]) {
    expect(Object.keys(stream).sort()).toEqual(['job', 'level', 'role', 'worker']);
    expect(values.map(([ns]) => ns)).toEqual(
      values
        .map(([ns]) => ns)
        .sort()
        .reverse(),
    );
    for (const [ns, line] of values) expect(BigInt(ns) / 1_000_000n).toBe(BigInt(Date.parse(JSON.parse(line).time)));
  }
  expect(stepsOf((await explore(`{job="${JOB}"}`, { limit: 5 })).data.result)).toEqual([55, 56, 57, 58, 59]);
  expect(stepsOf((await explore(`{job="${JOB}"}`, { limit: 5, direction: 'forward' })).data.result)).toEqual([0, 1, 2, 3, 4]);
  expect(
    stepsOf(
      (await explore(`{job="${JOB}"}`, { interval: '20s', direction: 'forward' })).data.result.filter(
        ({ stream }: Stream) => stream['worker'] === 'worker-b',
      ),
    ),
  ).toEqual([1, 21, 41]);
  // The next page of an infinite scroll ends where the last line was.
  const [oldest] = (await explore(`{job="${JOB}"}`, { limit: 1 })).data.result[0].values;
  expect(stepsOf((await explore(`{job="${JOB}"}`, { limit: 2, end: oldest[0] })).data.result)).toEqual([57, 58]);
  expect(stepsOf((await explore(`{job="${JOB}"}`, { start: oldest[0] })).data.result)).toEqual([59]);
  const queries: [string, number[]][] = [
    [`{job="${JOB}", level="error"}`, [0, 30]],
    [`{worker=~"worker-[bc]", level!="info"}`, []],
    [`{job="${JOB}"} |= \`"step":5\` != \`"step":5,\``, [50, 51, 52, 53, 54, 55, 56, 57, 58, 59]],
    [`{job="${JOB}"} |~ "(?i)STEP\\":1\\\\d"`, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]],
    [`{job="${JOB}"} | json | step > 56 and worker="worker-a"`, [58]],
    [`{job="${JOB}"} | json | loss < 0.3, peer_name="x"`, [0, 1, 2]],
    ['{job="none"}', []],
  ];
  for (const [query, steps] of queries) expect([query, stepsOf((await explore(query)).data.result)]).toEqual([query, steps]);
});

test('Grafana Explore: the histogram of lines by level', async () => {
  for (const range of ['15s', '$__auto']) {
    const { data } = await get('/loki/api/v1/query_range', {
      direction: 'backward',
      end: END,
      query: `sum by (level, detected_level) (count_over_time({job="${JOB}"} | drop __error__[${range}]))`,
      start: START,
      step: '15000ms',
    });
    expect(data.resultType).toBe('matrix');
    const at = (seconds: number): number => START_MS / 1000 + seconds;
    expect(data.result).toHaveLength(3);
    expect(data.result).toEqual(
      expect.arrayContaining([
        {
          metric: { level: 'error' },
          values: [
            [at(0), '1'],
            [at(30), '1'],
          ],
        },
        {
          metric: { level: 'warn' },
          values: [
            [at(15), '1'],
            [at(30), '1'],
            [at(45), '1'],
            [at(60), '1'],
          ],
        },
        {
          metric: { level: 'info' },
          values: [
            [at(15), '14'],
            [at(30), '13'],
            [at(45), '14'],
            [at(60), '13'],
          ],
        },
      ]),
    );
  }
  const rate = await get('/loki/api/v1/query', { query: `sum(rate({job="${JOB}"}[1m])) by (worker)`, time: `${START_MS + 59_500}000000` });
  expect(rate.data.result).toEqual(expect.arrayContaining([{ metric: { worker: 'worker-b' }, value: [START_MS / 1000 + 59.5, '0.5'] }]));
});

test('queries that are unsupported or wrong are answered 400, with place and reason where Grafana and logcli look for it', async () => {
  const cases: [string, Record<string, string | number>, string][] = [
    ['query_range', { query: '{job="a"} | unpack' }, 'parse error at line 1, col 13: the stage | unpack is not supported; supported are'],
    ['query_range', { query: '{job=~"("}' }, 'missing closing )'],
    ['query_range', { query: '{job="a"', start: START, end: END }, 'parse error at line 1, col 9: unexpected end of the query, expected }'],
    ['query_range', { query: 'rate({job="a"}[1s])', start: START, end: END, step: '1ms' }, 'at most 11000'],
    ['query_range', { query: '{job="a"}', limit: 5001 }, 'max entries limit per query exceeded, 5001 > 5000'],
    ['query_range', { query: '{job="a"}', direction: 'up' }, 'neither forward nor backward'],
    ['query_range', { query: '{job="a"}', start: 'yesterday' }, 'start: cannot parse "yesterday" as a time'],
    ['query_range', { query: '{job="a"}', start: END, end: START }, 'end: lies before start'],
    ['query_range', {}, 'query: missing'],
    ['query', { query: '{job="a"}' }, 'log queries are not supported as an instant query type'],
    ['series', {}, '0 matcher groups supplied'],
    ['tail', { query: 'rate({job="a"}[1m])' }, 'only a log query can be tailed'],
    ['index/volume', { query: 'vector(1)' }, 'only a selector'],
  ];
  for (const [path, params, message] of cases) {
    const response = await ask(`/loki/api/v1/${path}`, params);
    expect([path, params, response.status]).toEqual([path, params, 400]);
    expect(((await response.json()) as { message: string }).message).toContain(message);
  }
});

test('logcli: times in seconds and RFC 3339, step as a fraction, forms', async () => {
  const start = new Date(START_MS).toISOString();
  expect(
    stepsOf(
      (
        await get('/loki/api/v1/query_range', {
          query: `{job="${JOB}"}`,
          start,
          end: START_MS / 1000 + 2,
          limit: 30,
          direction: 'FORWARD',
          step: '1.5',
        })
      ).data.result,
    ),
  ).toEqual([0, 1]);
  const posted = await fetch(`http${origin}/loki/api/v1/series`, {
    method: 'POST',
    body: new URLSearchParams([
      ['match[]', `{job="${JOB}"}`],
      ['match[]', '{job="b"}'],
      ['start', START],
      ['end', END],
    ]),
  });
  expect(((await posted.json()) as { data: unknown[] }).data).toHaveLength(4);
});

test('push: JSON, gzip or not, comes back as it was, to the nanosecond', async () => {
  const ns = `${BigInt(START_MS) * 1_000_000n + 123_456_789n}`;
  const body = JSON.stringify({
    streams: [
      {
        stream: { worker: 'other', level: 'warn', app: 'shop' },
        values: [
          [ns, 'plain text'],
          [`${BigInt(ns) + 1n}`, '{"a":1}'],
        ],
      },
    ],
  });
  const push = (sent: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(`http${origin}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: sent,
    });
  expect((await push(body)).status).toBe(204);
  expect((await push(gzipSync(body.replaceAll('other', 'packed')), { 'content-encoding': 'gzip' })).status).toBe(204);
  expect((await push('{"streams":[{"values":[]}]}')).status).toBe(400);
  expect((await push('{"streams":')).status).toBe(400);
  expect((await push(gzipSync(Buffer.alloc(20_000_000)), { 'content-encoding': 'gzip' })).status).toBe(413);
  await settle();
  for (const worker of ['other', 'packed']) {
    const { data } = await get('/loki/api/v1/query_range', { query: `{worker="${worker}"}`, start: START, end: END, direction: 'forward' });
    expect(data.result).toEqual([
      {
        stream: { role: 'push', worker, level: 'warn', app: 'shop' },
        values: [
          [ns, 'plain text'],
          [`${BigInt(ns) + 1n}`, '{"a":1}'],
        ],
      },
    ]);
  }
});

test('Grafana: live tail gives what was since the start, then what comes, each line once', async () => {
  const socket = new WebSocket(`ws${origin}/loki/api/v1/tail?${new URLSearchParams({ query: `{job="${JOB}"} |= "live"`, start: START })}`);
  const frames: { streams: Stream[]; dropped_entries: unknown }[] = [];
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(String(data))));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  for (let i = 0; i < 50; i++) {
    write({ level: 'info', time: new Date().toISOString(), step: i, live: true });
    if (i % 10 === 0) await settle();
  }
  const deadline = Date.now() + 10_000;
  while (stepsOf(frames.flatMap(({ streams }) => streams)).length < 50) {
    if (Date.now() > deadline) throw new Error(`got ${JSON.stringify(frames)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(stepsOf(frames.flatMap(({ streams }) => streams))).toEqual(Array.from({ length: 50 }, (_, i) => i));
  expect(frames[0]).toEqual({
    streams: [{ stream: { job: JOB, role: 'worker', worker: 'worker-a', level: 'info' }, values: expect.any(Array) }],
    dropped_entries: null,
  });
  socket.close();
});
