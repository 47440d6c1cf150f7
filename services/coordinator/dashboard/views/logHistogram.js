// @ts-check
import { request } from '../api.js';
import { h, keep, patch } from '../dom.js';
import { clock, plural } from '../format.js';
import { poll } from '../live.js';

/** @typedef {import('../types/api.d.ts').LogHistogram} LogHistogram */

const MOST_BUCKETS = 60;
/** A bar is hit by a finger when it has 24 px (WCAG 2.2, 2.5.8). */
const BAR_PX = 25;
/** What stands beside the bars. */
const MARGIN_PX = 34;
const POLL_MS = 3000;
/** Drawn from the bottom up: what is bad stands on top, where it is seen. */
const ORDER = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/**
 * How many lines there are over time, by level; a click on a bar narrows the time to it.
 * @param {string} jobId
 * @param {import('./logs.js').Filters} filters read at each refresh
 * @param {(from: string, to: string) => void} narrow
 */
export function openHistogram(jobId, filters, narrow) {
  const element = keep(
    h('div', { role: 'group', 'aria-label': 'Lines over time: arrow keys move between bars, Enter shows only the lines of a bar' }),
  );
  /** @type {LogHistogram['buckets']} */
  let buckets = [];
  /** Of all bars, one is a tab stop: the one that was looked at last. */
  let current = -1;
  const draw = () => patch(element, ...view(buckets, stopOf(buckets, current), { narrow, move }));
  const move = (/** @type {number} */ to) => {
    current = to;
    draw();
    /** @type {HTMLElement | undefined} */ (element.querySelectorAll('button')[to])?.focus();
  };
  const polling = poll(async (signal) => {
    const query = new URLSearchParams([
      ...Object.entries(filters).filter(([, value]) => value !== ''),
      ['buckets', String(bucketsIn(element))],
    ]);
    ({ buckets } = /** @type {LogHistogram} */ (await request(`/api/v1/jobs/${jobId}/logs/histogram?${query}`, { signal })));
    draw();
  }, POLL_MS);
  return { element, refresh: polling.now, dispose: polling.stop };
}

/** Bars that there is room for. @param {HTMLElement} element */
function bucketsIn({ clientWidth }) {
  return Math.max(4, Math.min(MOST_BUCKETS, Math.floor(((clientWidth || innerWidth - 2 * MARGIN_PX) - MARGIN_PX) / BAR_PX)));
}

/**
 * The bar that is the tab stop: the chosen one, if it has lines, else the last that has.
 * @param {LogHistogram['buckets']} buckets
 * @param {number} current
 */
function stopOf(buckets, current) {
  const withLines = buckets.map(linesOf);
  return (withLines[current] ?? 0) > 0 ? current : withLines.findLastIndex((lines) => lines > 0);
}

/**
 * Where a key leads from a bar: bars without lines are passed over.
 * @param {LogHistogram['buckets']} buckets
 * @param {number} from
 * @param {string} key
 */
function neighbour(buckets, from, key) {
  const withLines = buckets.flatMap((bucket, i) => (linesOf(bucket) > 0 ? [i] : []));
  const at = withLines.indexOf(from);
  const places = /** @type {Record<string, number | undefined>} */ ({
    ArrowLeft: withLines[at - 1],
    ArrowRight: withLines[at + 1],
    Home: withLines[0],
    End: withLines.at(-1),
  });
  return places[key];
}

/** @param {LogHistogram['buckets'][number]} bucket */
function linesOf({ counts }) {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

/**
 * @param {LogHistogram['buckets']} buckets @param {number} stop
 * @param {{ narrow: (from: string, to: string) => void, move: (to: number) => void }} act
 */
function view(buckets, stop, { narrow, move }) {
  const totals = buckets.map(linesOf);
  const most = Math.max(0, ...totals);
  const [first, last] = [buckets[0], buckets.at(-1)];
  if (most === 0 || first === undefined || last === undefined) return [];
  return [
    h(
      'div.histogram',
      {},
      ...buckets.map(({ fromMs, toMs, counts }, i) => {
        const levels = ORDER.filter((level) => (counts[level] ?? 0) > 0);
        const parts = levels.map((level) => `${counts[level]} ${level}`).join(', ');
        const text = `${clock(fromMs).slice(0, 8)}: ${plural(totals[i] ?? 0, 'line')}${parts === '' ? '' : ` (${parts})`}`;
        return h(
          'button',
          {
            type: 'button',
            title: text,
            'aria-label': `${text}. Show only these`,
            tabindex: i === stop ? 0 : -1,
            onclick: () => narrow(new Date(fromMs).toISOString(), new Date(toMs).toISOString()),
            onkeydown: (/** @type {KeyboardEvent} */ event) => {
              const to = neighbour(buckets, i, event.key);
              if (to === undefined) return;
              event.preventDefault();
              move(to);
            },
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
