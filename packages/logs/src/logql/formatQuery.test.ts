import { expect, test } from '@jest/globals';
import { formatQuery } from './formatQuery.ts';
import { parseQuery } from './parseQuery.ts';

const format = (query: string): string => formatQuery(parseQuery(query));

// As `logcli fmt` of Loki 3.7 writes them.
test.each([
  [
    '{job="a",level=~`w.*`}|="x"or"y"!="z"|json|step>10 and took<=1m30s',
    '{job="a", level=~"w.*"} |= "x" or "y" != "z" | json | ( step>10 , took<=1m30s )',
  ],
  ['sum(rate({job="a"}[5m]))by(level)', 'sum by (level)(rate({job="a"}[5m]))'],
  [
    'quantile_over_time(.99,{a="b"}|logfmt --strict|unwrap duration(t)[1h] offset 90s)by(h)',
    'quantile_over_time(0.99,{a="b"} | logfmt --strict | unwrap duration(t)[1h] offset 1m30s) by (h)',
  ],
  ['topk(3,count_over_time({a="b"}[1d]))>bool 2*3', '(topk(3,count_over_time({a="b"}[1d])) > bool 6)'],
  ['vector(1)', 'vector(1.000000)'],
  ['1+1', '2'],
])('%s', (query, formatted) => {
  expect(format(query)).toBe(formatted);
});

test('what is long goes over several lines', () => {
  const query =
    'sum by (level) (count_over_time({job="job-with-a-long-name", role="worker"} |= "checkpoint" | logfmt | json a="b.c" | step > ' +
    '1000 | level="warn" [5m])) / 2';
  expect(format(query)).toBe(
    `  sum by (level)(
    count_over_time(
      {job="job-with-a-long-name", role="worker"}
        |= "checkpoint"
        | logfmt
        | json a="b.c"
        | step>1000
        | level="warn" [5m]
    )
  )
/
  2`,
  );
});
