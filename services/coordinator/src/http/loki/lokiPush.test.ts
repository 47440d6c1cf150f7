import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type LokiServer, startLokiServer } from '../../testing/lokiServer.ts';

const START_NS = 1_700_000_000_000_000_000n;
const SPAN = { start: String(START_NS), end: String(START_NS + 60_000_000_000n), direction: 'forward' };

let server: LokiServer;

beforeAll(async () => {
  server = await startLokiServer();
});

afterAll(() => server.close());

interface Stream {
  readonly stream: Readonly<Record<string, string>>;
  readonly values: readonly [string, string][];
}

/** Status and data of an answer. */
async function ask(path: string, params: Readonly<Record<string, string>> = {}): Promise<[number, unknown]> {
  const response = await server.ask(`/loki/api/v1/${path}`, { ...SPAN, ...params });
  const body = (await response.json()) as { data?: unknown; message?: string };
  return [response.status, body.data ?? body.message];
}

async function streams(query: string): Promise<readonly Stream[]> {
  const [status, data] = await ask('query_range', { query });
  expect([query, status]).toEqual([query, 200]);
  return (data as { readonly result: readonly Stream[] }).result;
}

async function push(stream: Readonly<Record<string, string>>, ...lines: (string | readonly [string, object])[]): Promise<number> {
  const values = lines.map((line, i) => [String(START_NS + BigInt(i) * 1_000_000_000n), ...[line].flat()]);
  const { status } = await server.push({ streams: [{ stream, values }] });
  await server.settle();
  return status;
}

test('a long line is cut, and takes none of the others with it; what is kept is what fits, however it is escaped', async () => {
  const long = 'x'.repeat(70_000);
  const quotes = '"'.repeat(70_000);
  const emoji = '😀'.repeat(40_000);
  expect(await push({ app: 'long' }, 'before', long, quotes, emoji, '\u0000'.repeat(65_536), 'after')).toBe(204);
  const texts = (await streams('{app="long"}')).flatMap(({ values }) => values.map(([, text]) => text));
  expect([texts[0], texts.at(-1), texts.length]).toEqual(['before', 'after', 6]);
  for (const [i, whole] of [long, quotes, emoji].entries()) {
    expect(whole.startsWith(texts[i + 1]!)).toBe(true);
    expect(JSON.stringify(texts[i + 1]).length).toBeGreaterThan(64_000);
    expect(texts[i + 1]).not.toMatch(/[\uD800-\uDBFF]$/);
  }
  expect(texts[4]).toMatch(/^\0{10000,}$/);
});

test("labels of one's own are labels: they select, are listed, and come back with the lines; so does structured metadata", async () => {
  expect(await push({ app: 'shop', job: 'varlogs', level: 'warning' }, ['a', { trace: '7' }], 'b')).toBe(204);
  const labels = { app: 'shop', job: 'varlogs', level: 'warning', role: 'push' };
  expect(await streams('{job="varlogs"}')).toEqual([
    { stream: { ...labels, trace: '7' }, values: [[String(START_NS), 'a']] },
    { stream: labels, values: [[String(START_NS + 1_000_000_000n), 'b']] },
  ]);
  expect(await streams('{app=~"sh.p"} | trace="7"')).toHaveLength(1);
  expect(await streams('{app!="shop", job="varlogs"}')).toEqual([]);
  expect(await ask('labels', { query: '{app="shop"}' })).toEqual([200, ['app', 'job', 'level', 'role']]);
  expect(await ask('label/app/values', { query: '{job="varlogs"}' })).toEqual([200, ['shop']]);
  expect(await ask('series', { 'match[]': '{app="shop"}' })).toEqual([200, [labels]]);
});

test('what is no label, too many labels and too many streams are refused in words', async () => {
  const refused = async (body: unknown): Promise<[number, string]> => {
    const response = await server.push(body);
    return [response.status, ((await response.json()) as { message: string }).message];
  };
  const values = [[String(START_NS), 'x']];
  expect(await refused({ streams: [{ stream: { 'my-app': 'a' }, values }] })).toEqual([
    400,
    expect.stringContaining('"my-app" is not a label name'),
  ]);
  const many = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`l${i}`, 'x']));
  expect(await refused({ streams: [{ stream: many, values }] })).toEqual([400, expect.stringContaining('has 16 labels; limit 15')]);
  expect(await refused({ streams: [{ stream: { app: 7 }, values }] })).toEqual([400, expect.stringContaining('streams')]);
  const streams = Array.from({ length: 900 }, (_, i) => ({ stream: { request: String(i) }, values: [] }));
  expect((await server.push({ streams })).status).toBe(204);
  expect(await refused({ streams: Array.from({ length: 200 }, (_, i) => ({ stream: { other: String(i) }, values })) })).toEqual([
    429,
    expect.stringContaining('maximum active stream limit exceeded'),
  ]);
});

// Names that every JavaScript object has, where something is looked up by name.
test.each(['constructor', 'toString', '__proto__', 'hasOwnProperty', '__defineGetter__', 'valueOf'])(
  '%s is a name like any other',
  async (name) => {
    const body = `{"streams":[{"stream":{"app":"hostile-${name}"},"values":[["${START_NS}","{\\"n\\":1}"]]}]}`;
    expect((await server.push(body)).status).toBe(204);
    await server.settle();
    const selector = `app="hostile-${name}"`;
    expect(await streams(`{${selector},${name}=~".+"}`)).toEqual([]);
    expect(await streams(`{${selector},${name}=""}`)).toHaveLength(1);
    expect(await streams(`{${selector}} | json | ${name}=~".+"`)).toEqual([]);
    expect(await streams(`{${selector}} | json | ${name}=""`)).toHaveLength(1);
    for (const filter of [`${name}>1`, `${name}>1s`, `${name}>1KB`, `${name}==1`])
      expect(await streams(`{${selector}} | json | ${filter}`)).toEqual([]);
    for (const stage of [`drop ${name}`, `keep ${name}`, `label_format x=${name}`, `line_format "{{.${name}}}"`, `json x="${name}"`]) {
      expect(await streams(`{${selector}} | json | ${stage}`)).toHaveLength(1);
    }
    expect(await ask(`label/${name}/values`)).toEqual([200, []]);
    expect((await ask(`detected_field/${name}/values`, { query: `{${selector}}` }))[0]).toBe(200);
    expect((await ask('index/volume', { query: `{${selector}}`, targetLabels: name }))[0]).toBe(200);
    const instant = (query: string) => ask('query', { query, time: String(START_NS + 1n) });
    expect(await instant(`sum by (${name}) (count_over_time({${selector}}[1m]))`)).toEqual([
      200,
      expect.objectContaining({ result: [{ metric: {}, value: [expect.any(Number), '1'] }] }),
    ]);
    expect(await instant(`${name}({${selector}}[1m])`)).toEqual([400, expect.stringContaining(`${name.toLowerCase()} is not supported`)]);
    // As a label, and as a field of a line, it is found.
    const line = JSON.stringify({ [`x_${name}`]: 2, y: { [name]: 3 } });
    const own = JSON.stringify({ streams: [{ stream: { app: `own-${name}`, [name]: 'mine' }, values: [[`${START_NS}`, line]] }] });
    expect((await server.push(own)).status).toBe(204);
    await server.settle();
    expect(await ask(`label/${name}/values`)).toEqual([200, ['mine']]);
    const [found, ...others] = await streams(`{app="own-${name}", ${name}="mine"} | json | line_format "{{.${name}}}" | y_${name}=3`);
    expect([others, found!.values[0]![1]]).toEqual([[], 'mine']);
    expect(Object.entries(found!.stream)).toContainEqual([name, 'mine']);
    expect(Object.entries(found!.stream)).toContainEqual([`y_${name}`, '3']);
  },
);

test('a line that only begins like a pushed one is a line like any other', async () => {
  for (const line of ['{"ns":"abc","raw":"x"}', '{"ns":"1"}', '{"ns":"', '{"ns":"1","raw":7}']) {
    server.sink.push(`${line.slice(0, -1)}${line.endsWith('}') ? ',"time":"2023-11-14T22:13:30Z","level":"info","role":"mimic"}' : ''}\n`);
  }
  await server.settle();
  expect((await streams('{role="mimic"}')).flatMap(({ values }) => values)).toHaveLength(3);
});
