// @ts-check
import { errorText, request } from '../api.js';
import { h, keep, onceAFrame, patch } from '../dom.js';
import { age, clock, count, moment } from '../format.js';
import { pollInto } from '../live.js';
import { emptyNotice, errorNotice, loadingNotice, panel } from '../parts/notice.js';
import { auditPanel } from './audit.js';
import { viewChange } from './viewChange.js';

/** @typedef {import('../types/api.d.ts').Job} Job @typedef {import('../types/api.d.ts').JobViewItem} JobViewItem */

const POLL_MS = 3000;
const EVENT_TONES = /** @type {Record<string, string>} */ ({
  joined: 'green',
  left: 'amber',
  lost: 'red',
  evicted: 'red',
  refused: 'red',
  restore: 'amber',
  hold: 'amber',
  checkpoint: 'blue',
  view: 'violet',
  rebalance: 'violet',
});

/** Who worked for the job when, what happened, and whether every sample was taken once. @param {Job} first @returns {import('./jobPage.js').Tab} */
export function openHistory(first) {
  const element = keep(h('div.history'));
  /** @type {{ job: Job, views?: readonly JobViewItem[], error?: unknown }} */
  const state = { job: first };
  const audit = auditPanel(first.id);
  const render = onceAFrame(() => patch(element, viewsPanel(state), eventsPanel(state.job), audit.element));
  const ask = async (/** @type {AbortSignal} */ signal) => {
    const { items } = await request(`/api/v1/jobs/${first.id}/views?limit=200`, { signal });
    return { views: [...items].sort((a, b) => a.generation - b.generation) };
  };
  const polling = pollInto(state, render, ask, POLL_MS);
  render();
  return {
    element,
    update(job) {
      state.job = job;
      render();
    },
    dispose: () => polling.stop(),
  };
}

/** @param {{ job: Job, views?: readonly JobViewItem[], error?: unknown }} state */
function viewsPanel({ job, views, error }) {
  const body =
    views === undefined
      ? error === undefined
        ? loadingNotice('views')
        : errorNotice('The views cannot be shown', errorText(error))
      : views.length === 0
        ? emptyNotice('No view yet', h('p', {}, 'The first one forms when there are workers enough.'))
        : h('ol.views', {}, ...views.map((view, i) => viewRow(view, views[i - 1], views[i + 1], job)).reverse());
  return panel('Views', { note: 'who worked for the job, from which step on' }, body);
}

/** @param {JobViewItem} view @param {JobViewItem | undefined} before @param {JobViewItem | undefined} after @param {Job} job */
function viewRow(view, before, after, job) {
  const { joined, left } = viewChange(before, view);
  const ranks = job.spec.resources.virtualRanks;
  const last = after?.startStep ?? job.progress?.step ?? view.startStep;
  return h(
    'li.view',
    { key: String(view.generation) },
    h(
      'div.view-head',
      {},
      h('strong', {}, `View ${view.generation}`),
      h('span.muted', {}, `steps ${count(view.startStep)} to ${count(last)}`),
      h(
        'time.muted',
        { datetime: new Date(view.timeMs).toISOString(), title: moment(new Date(view.timeMs).toISOString()) },
        `${age(new Date(view.timeMs).toISOString(), Date.now())} ago`,
      ),
    ),
    h(
      'p.view-change',
      {},
      ...left.map((name) => h('span.badge', { 'data-tone': 'red' }, `${name} left`)),
      ...joined.map((name) => h('span.badge', { 'data-tone': 'green' }, `${name} joined`)),
      h('span.muted', {}, view.reason),
    ),
    h(
      'div.ranks',
      {
        role: 'img',
        'aria-label': view.members
          .map(({ name, firstRank, ranks: own }) => `${name}: virtual ranks ${firstRank} to ${firstRank + own - 1}`)
          .join('; '),
      },
      ...view.members.map(({ name, ranks: own }) =>
        h('span', { title: `${name}: ${own} of ${ranks} virtual ranks`, vars: { '--share': own } }, `${name} · ${own}`),
      ),
    ),
  );
}

/** @param {Job} job */
function eventsPanel({ events }) {
  const body =
    events.length === 0
      ? emptyNotice('Nothing has happened yet', h('p', {}, 'Workers that come and go, checkpoints and restores are told here.'))
      : h(
          'ol.events',
          {},
          ...events
            .map(({ time, step, type, message }, i) =>
              h(
                'li',
                { key: `${time} ${i}` },
                h('time.muted', { datetime: time, title: moment(time) }, clock(Date.parse(time)).slice(0, 8)),
                h('span.badge', { 'data-tone': EVENT_TONES[type] ?? 'grey' }, type),
                h('span.muted', {}, `step ${count(step)}`),
                h('span.event-text', { title: message }, withShortPaths(message)),
              ),
            )
            .reverse(),
        );
  return panel('Events', { note: 'newest first' }, body);
}

/** Long folders say little in a list; the whole text is in the title. @param {string} text */
function withShortPaths(text) {
  return text.replace(/(?:\/[^\s/]+){3,}\/([^\s/]+)/g, '…/$1');
}
