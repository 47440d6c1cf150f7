// @ts-check
import { request } from '../api.js';
import { h, keep, patch } from '../dom.js';
import { clock, plural } from '../format.js';
import { poll } from '../live.js';

/** @typedef {import('../types/api.d.ts').LogHistogram} LogHistogram */

const BUCKETS = 60;
const POLL_MS = 3000;
/** Drawn from the bottom up: what is bad stands on top, where it is seen. */
const ORDER = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/**
 * How many lines there are over time, by level; a click on a bar narrows the time to it.
 * @param {string} jobId @param {import('./logs.js').Filters} filters read at each refresh @param {(from: string, to: string) => void} narrow
 */
export function openHistogram(jobId, filters, narrow) {
  const element = keep(h('div', { role: 'group', 'aria-label': 'Lines over time' }));
  const polling = poll(async (signal) => {
    const query = new URLSearchParams([...Object.entries(filters).filter(([, value]) => value !== ''), ['buckets', String(BUCKETS)]]);
    const { buckets } = /** @type {LogHistogram} */ (await request(`/api/v1/jobs/${jobId}/logs/histogram?${query}`, { signal }));
    patch(element, ...view(buckets, narrow));
  }, POLL_MS);
  return { element, refresh: polling.now, dispose: polling.stop };
}

/** @param {LogHistogram['buckets']} buckets @param {(from: string, to: string) => void} narrow */
function view(buckets, narrow) {
  const totals = buckets.map(({ counts }) => Object.values(counts).reduce((a, b) => a + b, 0));
  const most = Math.max(0, ...totals);
  const [first, last] = [buckets[0], buckets.at(-1)];
  if (most === 0 || first === undefined || last === undefined) return [];
  return [
    h(
      'div.histogram',
      {},
      ...buckets.map(({ fromMs, toMs, counts }, i) => {
        const levels = ORDER.filter((level) => (counts[level] ?? 0) > 0);
        const text = `${clock(fromMs).slice(0, 8)}: ${plural(totals[i] ?? 0, 'line')}${levels.length > 0 ? ` (${levels.map((level) => `${counts[level]} ${level}`).join(', ')})` : ''}`;
        return h(
          'button',
          {
            type: 'button',
            title: text,
            'aria-label': `${text}. Show only these`,
            tabindex: totals[i] === 0 ? -1 : 0,
            onclick: () => narrow(new Date(fromMs).toISOString(), new Date(toMs).toISOString()),
          },
          ...levels.map((level) => h('i', { 'data-level': level, vars: { '--share': ((counts[level] ?? 0) / most).toFixed(4) } })),
        );
      }),
    ),
    h(
      'div.histogram-axis',
      {},
      h('span', {}, clock(first.fromMs).slice(0, 8)),
      h('span', {}, `most: ${plural(most, 'line')} in ${((first.toMs - first.fromMs) / 1000).toPrecision(2)} s`),
      h('span', {}, clock(last.toMs).slice(0, 8)),
    ),
  ];
}
