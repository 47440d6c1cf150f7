import { expect, test } from '@jest/globals';
import { isMaestroError } from '@maestro/protocol';
import fc from 'fast-check';
import { formatQuery } from './formatQuery.ts';
import { parseQuery, parseSelector } from './parseQuery.ts';

test('a selector with every matcher, in both kinds of quotes', () => {
  expect(parseQuery('{job="job-1", role!=`cli`, worker=~"worker-[ab]", level!~"debug|trace",}')).toEqual({
    kind: 'log',
    matchers: [
      { name: 'job', op: '=', value: 'job-1', position: 5 },
      { name: 'role', op: '!=', value: 'cli', position: 20 },
      { name: 'worker', op: '=~', value: 'worker-[ab]', position: 35 },
      { name: 'level', op: '!~', value: 'debug|trace', position: 57 },
    ],
    stages: [],
  });
  expect(parseSelector('{}')).toEqual([]);
});

test('a pipeline: line filters, json, label filters with and, or and brackets, drop', () => {
  const parsed = parseQuery(
    '{job="a"} |= "loss" or `nan` != "x" |~ "(?i)err" !~ `\\d+` | json | step > 10 and (worker="a" or seconds >= 1m30s), size < 2KB ' +
      '| drop __error__, pid',
  );
  expect(parsed.kind === 'log' && parsed.stages).toMatchObject([
    { kind: 'line', op: '|=', values: ['loss', 'nan'] },
    { kind: 'line', op: '!=', values: ['x'] },
    { kind: 'line', op: '|~', values: ['(?i)err'] },
    { kind: 'line', op: '!~', values: ['\\d+'] },
    { kind: 'json' },
    {
      kind: 'filter',
      filter: {
        kind: 'and',
        left: {
          kind: 'and',
          left: { kind: 'compare', name: 'step', op: '>', value: { type: 'number', value: 10 } },
          right: { kind: 'or', right: { name: 'seconds', value: { type: 'duration', value: 90_000 } } },
        },
        right: { name: 'size', op: '<', value: { type: 'bytes', value: 2000 } },
      },
    },
    { kind: 'drop', choices: ['__error__', 'pid'] },
  ]);
});

test('metrics: the histogram that Grafana asks for, grouping before and behind, ranges before and behind the pipeline', () => {
  const histogram = parseQuery('sum by (level, detected_level) (count_over_time({job="a"} |= `x` | drop __error__[$__auto]))');
  expect(histogram).toMatchObject({
    kind: 'aggregate',
    function: 'sum',
    grouping: { isWithout: false, names: ['level', 'detected_level'] },
    of: { kind: 'range', function: 'count_over_time', range: 'auto' },
  });
  expect(parseQuery('sum(rate({job="a"}[1m] |= "x")) without (pid)')).toMatchObject({
    grouping: { isWithout: true, names: ['pid'] },
    of: { function: 'rate', range: 60_000, query: { stages: [{ values: ['x'] }] } },
  });
  expect(parseQuery('vector(1)+vector(1)')).toEqual({
    kind: 'binary',
    op: '+',
    isBool: false,
    matching: undefined,
    left: { kind: 'vector', value: 1 },
    right: { kind: 'vector', value: 1 },
  });
  expect(parseQuery('vector(1) + 2 * (vector(3) - -4)')).toMatchObject({
    op: '+',
    right: { op: '*', right: { op: '-', right: { value: -4 } } },
  });
  expect(parseQuery('rate({job="a"}[1h30m] offset 5m) * 60')).toMatchObject({ op: '*', left: { range: 5_400_000, offsetMs: 300_000 } });
});

test('strings know the escapes of Go, raw strings none; comments are passed over', () => {
  expect(parseSelector('{job="a\\"b\\\\c\\n\\u00e9"} # why')[0]!.value).toBe('a"b\\c\né');
  expect(parseSelector('{job=`a\\n`}')[0]!.value).toBe('a\\n');
});

test('operators bind as in PromQL; two numbers are one', () => {
  expect(parseQuery('1 + 2 * 3 ^ 2 ^ 0')).toEqual({ kind: 'number', value: 7 });
  expect(parseQuery('2 > bool 1')).toEqual({ kind: 'number', value: 1 });
  expect(parseQuery('1 / 0')).toEqual({ kind: 'number', value: Number.NaN });
  const some = 'rate({job="a"}[1m])';
  expect(parseQuery(`${some} > 0 and ${some} * 2 == bool on (job) ${some} or vector(0)`)).toMatchObject({
    op: 'or',
    left: {
      op: 'and',
      left: { op: '>', right: { value: 0 } },
      right: { op: '==', isBool: true, matching: { isOn: true, names: ['job'] }, left: { op: '*' } },
    },
    right: { kind: 'vector' },
  });
});

test('functions over ranges: parameters, unwrap with a conversion and filters, grouping; words in any case', () => {
  expect(
    parseQuery('QUANTILE_OVER_TIME(0.99, {job="a"} | json | unwrap duration(took) | __error__="" [5m] offset -1m) By (host)'),
  ).toMatchObject({
    function: 'quantile_over_time',
    parameter: 0.99,
    unwrap: { name: 'took', conversion: 'duration', filters: [{ name: '__error__', op: '=' }] },
    offsetMs: -60_000,
    grouping: { isWithout: false, names: ['host'] },
  });
  expect(parseQuery('topk by (x) (3, count_over_time(({job="a"} |= "x")[5m]))')).toMatchObject({ function: 'topk', parameter: 3 });
});

test('stages with their parameters', () => {
  const parsed = parseQuery(
    '{job="a"} | logfmt --strict a="b", c | pattern `<x> <_>` | line_format "{{.x}}" | label_format y=x, z="{{.y}}" | keep a, b=~"c" ' +
      '| a>1 b<2MB',
  );
  expect(parsed.kind === 'log' && parsed.stages).toMatchObject([
    {
      kind: 'logfmt',
      isStrict: true,
      keepsEmpty: false,
      extractions: [
        { name: 'a', expression: 'b' },
        { name: 'c', expression: 'c' },
      ],
    },
    { kind: 'pattern', text: '<x> <_>' },
    { kind: 'line_format', text: '{{.x}}' },
    {
      kind: 'label_format',
      formats: [
        { name: 'y', from: { kind: 'label', name: 'x' } },
        { name: 'z', from: { text: '{{.y}}' } },
      ],
    },
    { kind: 'keep', choices: ['a', { name: 'b', op: '=~', value: 'c' }] },
    { kind: 'filter', filter: { kind: 'and', right: { name: 'b', value: { type: 'bytes', value: 2_000_000 } } } },
  ]);
});

const MISTAKES: readonly [query: string, place: string, message: string][] = [
  ['', 'line 1, col 1', 'unexpected end of the query'],
  ['{job="a"', 'line 1, col 9', 'unexpected end of the query, expected }'],
  ['{job="a}', 'line 1, col 6', 'unterminated string'],
  ['{job=a}', 'line 1, col 6', 'unexpected a, expected a string'],
  ['{job="a"}\n|= 5', 'line 2, col 4', 'unexpected 5, expected a string'],
  ['{job="a"} | unpack', 'line 1, col 13', 'the stage | unpack is not supported; supported are'],
  ['{job="a"} | addr = ip("10.0.0.0/8")', 'line 1, col 20', 'ip() is not supported'],
  ['{job="a"} |= ip("10.0.0.0/8")', 'line 1, col 14', 'ip() is not supported'],
  ['{job="a"} | logfmt --loose', 'line 1, col 20', 'the flag --loose is not supported'],
  ['{job="a"} | unwrap x', 'line 1, col 21', '| unwrap stands only in a function over a range'],
  ['{job="a"}[5m]', 'line 1, col 10', 'stands only in a function'],
  ['approx_topk(3, rate({job="a"}[5m]))', 'line 1, col 1', 'approx_topk is not supported; supported are'],
  ['rate_counter({job="a"} | unwrap x [5m])', 'line 1, col 1', 'rate_counter is not supported; supported are'],
  ['topk(0, rate({job="a"}[5m]))', 'line 1, col 9', 'invalid parameter (must be greater than 0) topk(0'],
  ['topk(rate({job="a"}[5m]))', 'line 1, col 6', 'parameter required for operation topk'],
  ['sum_over_time({job="a"}[5m])', 'line 1, col 29', 'invalid aggregation sum_over_time without unwrap'],
  ['count_over_time({job="a"} | unwrap x [5m])', 'line 1, col 43', 'invalid aggregation count_over_time with unwrap'],
  ['rate({job="a"}[5m]) by (x)', 'line 1, col 27', 'grouping not allowed for rate aggregation'],
  ['sum_over_time({job="a"} | unwrap days(x) [5m])', 'line 1, col 38', 'unwrap days() is not supported'],
  ['rate({job="a"}[5m]) and 1', 'line 1, col 26', 'unexpected literal for right leg of logical/set binary operation (and)'],
  ['rate({job="a"}[5m]) + on(x) group_left rate({job="a"}[5m])', 'line 1, col 29', 'group_left is not supported'],
  ['rate({job="a"}[5m]) + bool 1', 'line 1, col 23', 'bool behind + is not supported'],
  ['rate({job="a"}[5])', 'line 1, col 16', 'unexpected 5, expected a duration'],
  ['rate({job="a"}[5q])', 'line 1, col 16', '5q is not a number, duration'],
  ['rate({job="a"}[0s])', 'line 1, col 18', 'longer than 0'],
  ['rate({job="a"})', 'line 1, col 15', 'expected ['],
  ['{job="a"} | step > "x"', 'line 1, col 20', '> compares numbers'],
  ['{job="a"} )', 'line 1, col 11', 'unexpected ), expected the end'],
  [`vector(1)${'+vector(1)'.repeat(51)}`, 'line 1, col 511', 'more than 50 operators'],
  [`${'('.repeat(30)}1${')'.repeat(30)}`, 'line 1, col 22', 'nested more than 20 deep'],
  [`{job="a"} | ${'('.repeat(2000)}x=1`, 'line 1, col 63', 'more than 50 conditions'],
  ['x'.repeat(6000), 'line 1, col 1', 'the limit is 5120'],
  ['{job="a"} | json €', 'line 1, col 18', 'unexpected character "€"'],
];

test.each(MISTAKES)('a mistake is told with its place (%#)', (query, place, message) => {
  expect(() => parseQuery(query)).toThrow(`parse error at ${place}: `);
  expect(() => parseQuery(query)).toThrow(message);
});

test('whatever comes in, the answer is a query or invalid-argument; what is formatted is the same query', () => {
  const words = [
    ...[
      '{',
      '}',
      '(',
      ')',
      '[',
      ']',
      ',',
      '=',
      '|',
      '|=',
      '!=',
      '|>',
      '>',
      '>=',
      '+',
      '-',
      '^',
      '"',
      '"a"',
      '`b`',
      '5m',
      '1',
      '1.5KB',
      ' ',
    ],
    ...[
      'job',
      'json',
      'logfmt',
      'drop',
      'keep',
      'unwrap',
      'line_format',
      'label_format',
      'pattern',
      'rate',
      'sum_over_time',
      'sum',
      'topk',
    ],
    ...[
      'by',
      'or',
      'and',
      'bool',
      'on',
      'offset',
      'vector',
      'constructor',
      '__proto__',
      '{a="b"}',
      'rate({a="b"}[1m])',
      '| json | unwrap x',
    ],
  ];
  const texts = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((parts) => parts.join('')),
    fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((parts) => parts.join(' ')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        const formatted = formatQuery(parseQuery(text));
        expect(formatQuery(parseQuery(formatted))).toBe(formatted);
      } catch (error) {
        if (!isMaestroError(error, 'invalid-argument')) throw error;
      }
    }),
    { numRuns: 5000 },
  );
});
