// @ts-check
import { errorText, request } from '../api.js';
import { h, keep, onceAFrame, patch } from '../dom.js';
import { age, clock, count, moment, plural } from '../format.js';
import { pollInto } from '../live.js';
import { emptyNotice, errorNotice, loadingNotice, panel } from '../parts/notice.js';
import { reasonParts, withShortPaths } from '../parts/reason.js';
import { auditPanel } from './audit.js';
import { viewChange } from './viewChange.js';

/** @typedef {import('../types/api.d.ts').Job} Job @typedef {import('../types/api.d.ts').JobViewItem} JobViewItem */

const POLL_MS = 3000;
/** Views and events that are shown at first; a long run has hundreds. */
const FEW = 12;
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

/**
 * @typedef {{ job: Job, views?: readonly JobViewItem[], error?: unknown, showsAll: { Views: boolean, Events: boolean } }} HistoryState
 * @typedef {(what: 'Views' | 'Events') => void} ShowAll
 */

/**
 * Who worked for the job when, what happened, and whether every sample was taken once.
 * @param {Job} first
 * @returns {import('./jobPage.js').Tab}
 */
export function openHistory(first) {
  const element = keep(h('div.history'));
  /** @type {HistoryState} */
  const state = { job: first, showsAll: { Views: false, Events: false } };
  const audit = auditPanel(first.id);
  const render = onceAFrame(() => patch(element, audit.element, viewsPanel(state, showAll), eventsPanel(state, showAll)));
  const showAll = (/** @type {'Views' | 'Events'} */ what) => {
    state.showsAll[what] = true;
    render();
  };
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

/** @param {HistoryState} state @param {ShowAll} showAll */
function viewsPanel({ job, views, error, showsAll }, showAll) {
  const body =
    views === undefined
      ? error === undefined
        ? loadingNotice('views')
        : errorNotice('Cannot show the views', errorText(error))
      : views.length === 0
        ? emptyNotice('No view yet', h('p', {}, 'The first view forms when there are enough workers.'))
        : fewOf(
            'Views',
            'ol.views',
            views.map((view, i) => () => viewRow(view, views[i - 1], views[i + 1], job)).reverse(),
            showsAll.Views,
            showAll,
          );
  return panel('Views', { note: "the job's members, by first step" }, body);
}

/**
 * The first rows of a long list, and a button for the others.
 * @param {'Views' | 'Events'} what
 * @param {string} list
 * @param {(() => HTMLElement)[]} rows
 * @param {boolean} isAll
 * @param {ShowAll} showAll
 */
function fewOf(what, list, rows, isAll, showAll) {
  const hidden = isAll ? 0 : Math.max(0, rows.length - FEW);
  return h(
    'div',
    {},
    h(list, {}, ...rows.slice(0, rows.length - hidden).map((row) => row())),
    hidden > 0 &&
      h(
        'button.button.small',
        { type: 'button', class: 'button small show-all', onclick: () => showAll(what) },
        `Show ${count(hidden)} older ${what.toLowerCase()}`,
      ),
  );
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

/** @param {HistoryState} state @param {ShowAll} showAll */
function eventsPanel({ job: { events }, showsAll }, showAll) {
  const body =
    events.length === 0
      ? emptyNotice('No events yet', h('p', {}, 'Workers that join and leave, checkpoints and restores appear here.'))
      : fewOf(
          'Events',
          'ol.events',
          inGroups(events)
            .map((group) => () => eventRow(group))
            .reverse(),
          showsAll.Events,
          showAll,
        );
  return panel('Events', { note: 'newest first' }, body);
}

/**
 * Events in a row, where checkpoints between which nothing else happened are one.
 * @param {Job['events']} events
 * @returns {Job['events'][]}
 */
function inGroups(events) {
  /** @type {Job['events'][]} */
  const groups = [];
  for (const event of events) {
    const last = groups.at(-1);
    if (event.type === 'checkpoint' && last?.[0]?.type === 'checkpoint') last.push(event);
    else groups.push([event]);
  }
  return groups;
}

/** @param {Job['events']} group */
function eventRow(group) {
  const [first, last] = [group[0], group.at(-1)];
  if (first === undefined || last === undefined) return h('li');
  const { time, step, type, message } = last;
  const text =
    group.length === 1 ? reasonParts(withShortPaths(message)) : [`${plural(group.length, 'checkpoint')} since step ${count(first.step)}`];
  return h(
    'li',
    { key: `${first.time} ${first.type} ${first.message}` },
    h('time.muted', { datetime: time, title: moment(time) }, clock(Date.parse(time)).slice(0, 8)),
    h('span.badge', { 'data-tone': EVENT_TONES[type] ?? 'grey' }, type),
    h('span.muted', {}, `step ${count(step)}`),
    h('span.event-text', { title: message }, ...text),
  );
}
