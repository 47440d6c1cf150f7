import { expect, test } from '@jest/globals';
import { isMaestroError } from '@maestro/protocol';
import fc from 'fast-check';
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
    '{job="a"} |= "loss" or `nan` != "x" |~ "(?i)err" !~ `\\d+` | json | step > 10 and (worker="a" or seconds >= 1m30s), size < 2KB | drop __error__, pid',
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
    { kind: 'drop', names: ['__error__', 'pid'] },
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
    kind: 'arithmetic',
    op: '+',
    left: { kind: 'vector', value: 1 },
    right: { kind: 'vector', value: 1 },
  });
  expect(parseQuery('1 + 2 * (3 - -4)')).toMatchObject({ op: '+', right: { op: '*', right: { op: '-', right: { value: -4 } } } });
  expect(parseQuery('rate({job="a"}[1h30m] offset 5m) * 60')).toMatchObject({ op: '*', left: { range: 5_400_000, offsetMs: 300_000 } });
});

test('strings know the escapes of Go, raw strings none; comments are passed over', () => {
  expect(parseSelector('{job="a\\"b\\\\c\\n\\u00e9"} # why')[0]!.value).toBe('a"b\\c\né');
  expect(parseSelector('{job=`a\\n`}')[0]!.value).toBe('a\\n');
});

const MISTAKES: readonly [query: string, place: string, message: string][] = [
  ['', 'line 1, col 1', 'unexpected end of the query'],
  ['{job="a"', 'line 1, col 9', 'unexpected end of the query, expected }'],
  ['{job="a}', 'line 1, col 6', 'the string has no end'],
  ['{job=a}', 'line 1, col 6', 'unexpected a, expected a string'],
  ['{job="a"}\n|= 5', 'line 2, col 4', 'unexpected 5, expected a string'],
  ['{job="a"} | logfmt', 'line 1, col 13', 'the stage | logfmt is not supported; supported are'],
  ['{job="a"} | line_format "{{.x}}"', 'line 1, col 13', 'the stage | line_format is not supported; supported are'],
  ['topk(3, rate({job="a"}[5m]))', 'line 1, col 1', 'topk is not supported; supported are'],
  ['rate({job="a"}[5])', 'line 1, col 16', 'unexpected 5, expected a duration'],
  ['rate({job="a"}[5q])', 'line 1, col 16', '5q is no number, duration'],
  ['rate({job="a"}[0s])', 'line 1, col 18', 'longer than 0'],
  ['rate({job="a"})', 'line 1, col 15', 'expected ['],
  ['{job="a"} | step > "x"', 'line 1, col 20', '> compares numbers'],
  ['{job="a"} )', 'line 1, col 11', 'unexpected ), expected the end'],
  ['rate({job="a"}[1m]) / rate({job="b"}[1m])', 'line 1, col 42', 'between two sets of series is not supported'],
  [`${'('.repeat(30)}1${')'.repeat(30)}`, 'line 1, col 22', 'nested more than 20 deep'],
  [`{job="a"} | ${'('.repeat(2000)}x=1`, 'line 1, col 63', 'more than 50 conditions'],
  ['x'.repeat(6000), 'line 1, col 1', 'at most 5120'],
  ['{job="a"} | json €', 'line 1, col 18', 'unexpected character "€"'],
];

test.each(MISTAKES)('a mistake is told with its place (%#)', (query, place, message) => {
  expect(() => parseQuery(query)).toThrow(`parse error at ${place}: `);
  expect(() => parseQuery(query)).toThrow(message);
});

test('whatever comes in, the answer is a query or invalid-argument', () => {
  const words = [
    '{',
    '}',
    'job',
    '=',
    '"a"',
    '`b`',
    '|=',
    '|',
    'json',
    'drop',
    '(',
    ')',
    '[',
    ']',
    '5m',
    'rate',
    'sum',
    'by',
    ',',
    '1',
    '+',
    'or',
    '"',
    ' ',
  ];
  const texts = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        parseQuery(text);
      } catch (error) {
        expect(isMaestroError(error, 'invalid-argument')).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});
