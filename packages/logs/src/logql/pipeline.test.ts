import { expect, test } from '@jest/globals';
import type { LogLabels } from '../stream/labels.ts';
import type { LogQuery } from './ast.ts';
import { parseQuery } from './parseQuery.ts';
import { compilePipeline } from './pipeline.ts';

const STREAM: LogLabels = Object.freeze({ job: 'job-1', level: 'info' });

/** The line and the labels beside those of the stream that a pipeline makes; `undefined` when the line does not pass. */
function run(stages: string, text: string, timeMs = 0): { readonly text: string; readonly [label: string]: string } | undefined {
  const pipeline = compilePipeline(parseQuery(`{} ${stages}`) as LogQuery);
  const entry = pipeline({ ordinal: 0, timeMs, labels: STREAM, text });
  if (entry === undefined) return undefined;
  const own = [...entry.labels].filter(([name, value]) => (STREAM as Record<string, string>)[name] !== value);
  return { text: entry.text, ...Object.fromEntries(own) };
}

const labels = (stages: string, text: string): object | undefined => {
  const { text: _, ...rest } = run(stages, text) ?? { text: '' };
  return rest;
};

test('json: nested keys, digits as they are, fields twice, no arrays and nulls; a line that ends early keeps its first fields', () => {
  expect(
    labels('| json', '{"a":{"b c":1.50,"3":"x"},"big":12345678901234567890,"l":[1],"n":null,"t":true,"level":"warn","job":"job-1"}'),
  ).toEqual({
    a_b_c: '1.50',
    a_3: 'x',
    big: '12345678901234567890',
    t: 'true',
    level_extracted: 'warn',
  });
  expect(labels('| json', '{"a":1,"b":{"c":2')).toEqual({
    a: '1',
    __error__: 'JSONParserErr',
    __error_details__: expect.any(String),
  });
  expect(labels('| json', 'plain')).toMatchObject({ __error__: 'JSONParserErr' });
  expect(labels('| json a="x.y[1]", b="x[\\"y z\\"]", c="none"', '{"x":{"y":[1,{"q":2}],"y z":"v"}}')).toEqual({
    a: '{"q":2}',
    b: 'v',
    c: '',
  });
});

test('a line that is nested as deep as it is long is looked at, not recursed into', () => {
  for (const text of [`${'{"a":'.repeat(10_000)}1`, `{"x":${'['.repeat(60_000)}`, '['.repeat(60_000), `{"x":${'[{"y":'.repeat(9000)}`]) {
    expect(labels('| json', text)).toMatchObject({ __error__: 'JSONParserErr' });
    expect(labels('| json a="x[0]"', text)).toMatchObject({ __error__: 'JSONParserErr' });
    expect(run('| logfmt', text)).toBeDefined();
  }
});

test('logfmt: quotes, escapes, keys alone; mistakes are passed over, or told with --strict', () => {
  const line = 'level=warn msg="a \\"b\\"\\tc" took=1.5s empty= alone =bad x"y z=1';
  expect(labels('| logfmt', line)).toEqual({ level_extracted: 'warn', msg: 'a "b"\tc', took: '1.5s', z: '1' });
  expect(labels('| logfmt --keep-empty', line)).toMatchObject({ empty: '', alone: '' });
  expect(labels('| logfmt --strict', line)).toMatchObject({
    took: '1.5s',
    __error__: 'LogfmtParserErr',
    __error_details__: expect.stringContaining("unexpected '='"),
  });
  expect(labels('| logfmt a="took", msg, c="none"', line)).toEqual({ a: '1.5s', msg: 'a "b"\tc', c: '' });
});

test('pattern and regexp: captures become labels', () => {
  const line = '10.0.0.1 - "GET /x" 200';
  expect(labels('| pattern `<ip> - "<method> <_>" <status>`', line)).toEqual({ ip: '10.0.0.1', method: 'GET', status: '200' });
  expect(labels('| pattern `<ip> + <rest>`', line)).toEqual({ ip: line });
  expect(labels('| pattern `x <ip>`', line)).toEqual({});
  expect(labels('| regexp `(?P<method>GET|PUT) (?P<path>\\S+?)"`', line)).toEqual({ method: 'GET', path: '/x' });
  expect(() => run('| pattern `no capture`', line)).toThrow("stage '| pattern' : at least one capture is required");
  expect(() => run('| pattern `<a><b>`', line)).toThrow("found consecutive capture '<a><b>'");
  expect(() => run('| regexp `GET`', line)).toThrow('at least one named capture must be supplied');
});

test('line filters: values with or, patterns of texts and gaps', () => {
  expect(run('|= "b" or "x"', 'abc')).toBeDefined();
  expect(run('!= "b" or "x"', 'abc')).toBeUndefined();
  expect(run('|> "<_>b<_>"', 'abc')).toBeDefined();
  expect(run('|> "b<_>"', 'abc')).toBeDefined();
  expect(run('|> "<_>c<_>"', 'abc')).toBeUndefined();
  expect(run('!> "<_>b<_>"', 'abc')).toBeUndefined();
});

test('label filters: numbers, durations and sizes; a value that is none passes with the mistake', () => {
  const line = 'n=5 took=1m30s size=2KiB word=abc';
  for (const filter of [
    'n>4.5',
    'n==5',
    'took>=90s',
    'took<1h',
    'size=2048B',
    'size>2KB',
    'n>4,took>1s',
    'n>9 or word="abc"',
    'word!~"b"',
    'n!=4 took!=1s',
  ]) {
    expect([filter, run(`| logfmt | ${filter}`, line) !== undefined]).toEqual([filter, true]);
  }
  for (const filter of ['n>5', 'none>1', 'took>90s', 'size>2KiB', 'word=~"b"', 'n>9 or n<2', '(n>9 or n=5) and word="x"']) {
    expect([filter, run(`| logfmt | ${filter}`, line)]).toEqual([filter, undefined]);
  }
  expect(labels('| logfmt | word > 3', line)).toMatchObject({ __error__: 'LabelFilterErr' });
  expect(labels('| logfmt | word > 3 | __error__=""', line)).toEqual({});
});

test('line_format and label_format: fields, renaming, the line and its time; a failed template leaves a mistake', () => {
  const line = 'msg=hello worker=w1 took=1500ms';
  expect(run('| logfmt | line_format "{{.worker}}: {{ .msg | upper }} {{.none}}"', line)?.text).toBe('w1: HELLO ');
  expect(
    run('| line_format `{{ __timestamp__ | date "2006-01-02T15:04:05.000Z07:00" }} {{ __line__ | len }}`', 'abc', 1_700_000_000_123)?.text,
  ).toBe('2023-11-14T22:13:20.123Z 3');
  expect(labels('| logfmt | label_format who=worker, ms=`{{ duration .took | mulf 1000 }}` | drop took', line)).toEqual({
    msg: 'hello',
    who: 'w1',
    ms: '1500',
  });
  expect(labels('| logfmt | label_format x=`{{ duration .msg }}`', line)).toMatchObject({ __error__: 'TemplateFormatErr' });
  expect(() => run('| label_format a=b, a=c', line)).toThrow("multiple label name 'a' not allowed in a single format operation");
  expect(() => run('| line_format "{{ fromJson .x }}"', line)).toThrow('the function fromJson is not supported');
});

test('drop, keep and decolorize', () => {
  const line = 'a=1 b=2 c=3';
  expect(labels('| logfmt | drop a, b="3", c=~"[3]"', line)).toEqual({ b: '2' });
  const kept = run('| logfmt | keep a, c="4"', line);
  expect(kept).toEqual({ text: line, a: '1' });
  expect(run('| decolorize', '\x1b[31mred\x1b[0m and \x1b[1;32mgreen\x1b[m')?.text).toBe('red and green');
});
