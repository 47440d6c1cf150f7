import type { Dice } from './dice.ts';
import type { RestRequest } from './restRequests.ts';
import { HOSTILE_TEXTS } from './schemaValues.ts';

const PATHS = [
  'query',
  'query_range',
  'labels',
  'label/job/values',
  'series',
  'index/stats',
  'index/volume',
  'detected_fields',
  'detected_labels',
  'format_query',
  'push',
] as const;
const PIECES = [
  '{job="x"}',
  '{job=~"',
  '.*',
  '"}',
  '|=',
  '!~',
  '|~ "(a+)+$"',
  '| json',
  '| level="error"',
  '| logfmt --strict a="b"',
  '| pattern "<a> <_>"',
  '| regexp "(?P<a>.*)"',
  '| line_format "{{.msg | trunc 5}}"',
  '| line_format "{{ repeat 99999999 .msg }}"',
  '| label_format a="{{if .x}}',
  '| constructor>1',
  '| unwrap bytes(__proto__)',
  'quantile_over_time(0.9,',
  'topk(3,',
  'vector(1)',
  'and on (toString)',
  '> bool',
  '^',
  'count_over_time(',
  'rate(',
  'sum by (level)',
  '[5m]',
  '[0s]',
  '[9999999y]',
  ')',
  '(',
  ',',
  '"',
  '`',
  '\\',
  '{',
  '}',
  '-1',
  '1e400',
];

/**
 * A request to the Loki-compatible routes, which the OpenAPI document leaves out: a query of pieces of LogQL in any order, and hostile
 * times.
 */
export function logQuery(dice: Dice, token: string): RestRequest {
  const name = dice.pick(PATHS);
  const query = new URLSearchParams({
    query: Array.from({ length: 1 + dice.whole(8) }, () => dice.pick(PIECES)).join(dice.pick(['', ' '])),
  });
  for (const key of ['start', 'end', 'step', 'limit', 'direction', 'match[]']) {
    if (dice.oneIn(3))
      query.append(key, Buffer.from(dice.pick(['0', '-1', '4000000000', '99999999999999999999', 'now', ...HOSTILE_TEXTS])).toString());
  }
  const path = `/loki/api/v1/${name}?${query}`.slice(0, 8000);
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const operation = { method: 'GET', path: `/loki/api/v1/${name}`, operation: { responses: {} } };
  if (name !== 'push') return { operation, method: 'GET', path, headers, isHostile: true };
  const body = JSON.stringify(
    dice.pick<unknown>([
      {},
      { streams: [] },
      { streams: [{ stream: { job: dice.pick(HOSTILE_TEXTS) }, values: [[dice.pick(HOSTILE_TEXTS), 'x']] }] },
      [],
      null,
    ]),
  );
  return { operation, method: 'POST', path: '/loki/api/v1/push', headers, body, isHostile: true };
}
