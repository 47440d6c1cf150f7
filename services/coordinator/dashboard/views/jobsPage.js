// @ts-check
import { errorText, request } from '../api.js';
import { h, onceAFrame, patch } from '../dom.js';
import { age, count, duration, headline, metricText, moment, plural, speed } from '../format.js';
import { pollInto } from '../live.js';
import { icon } from '../parts/icon.js';
import { hasEnded, progressBar, stateBadge } from '../parts/jobState.js';
import { emptyNotice, errorNotice, loadingNotice } from '../parts/notice.js';
import { reasonParts } from '../parts/reason.js';
import { navigate, setQuery } from '../router.js';

/** @typedef {import('../types/api.d.ts').Job} Job @typedef {import('../types/api.d.ts').Worker} Worker */

const POLL_MS = 1500;
const FILTERS = /** @type {const} */ (['all', 'active', 'ended']);

/**
 * All jobs, newest first.
 * @param {HTMLElement} root
 * @param {import('../router.js').Place} place
 * @returns {import('../types/api.d.ts').Page}
 */
export function jobsPage(root, { query }) {
  /**
   * @type {{ jobs?: readonly Job[], workers: readonly Worker[], cursor?: string | undefined, more: Job[], error?: unknown,
   *   filter: string }}
   */
  const state = { workers: [], more: [], filter: query.get('show') ?? 'all' };
  const render = onceAFrame(() => patch(root, ...view(state, { choose, loadMore, retry: () => polling.now() })));
  const choose = (/** @type {string} */ filter) => {
    state.filter = filter;
    setQuery({ show: filter === 'all' ? undefined : filter });
    render();
  };
  const loadMore = async () => {
    const page = await request(`/api/v1/jobs?cursor=${state.cursor}`);
    state.more.push(...page.items);
    state.cursor = page.nextCursor;
    render();
  };
  const ask = async (/** @type {AbortSignal} */ signal) => {
    const [jobs, workers] = await Promise.all([request('/api/v1/jobs', { signal }), request('/api/v1/workers?limit=200', { signal })]);
    if (state.more.length === 0) state.cursor = jobs.nextCursor;
    return { jobs: jobs.nextCursor === undefined ? jobs.items : await withRunning(jobs.items, signal), workers: workers.items };
  };
  const polling = pollInto(state, render, ask, POLL_MS);
  render();
  return { title: 'Jobs', dispose: () => polling.stop() };
}

/**
 * The newest jobs, and those that run behind more that wait than a page has.
 * @param {readonly Job[]} newest
 * @param {AbortSignal} signal
 * @returns {Promise<readonly Job[]>}
 */
async function withRunning(newest, signal) {
  const running = await request('/api/v1/jobs?state=running&limit=200', { signal });
  const known = new Set(newest.map(({ id }) => id));
  return [...newest, ...running.items.filter((/** @type {Job} */ { id }) => !known.has(id))];
}

/**
 * @param {{ jobs?: readonly Job[], workers: readonly Worker[], cursor?: string | undefined, more: readonly Job[], error?: unknown,
 *   filter: string }} state
 * @param {{ choose: (filter: string) => void, loadMore: () => void, retry: () => void }} act
 */
function view({ jobs, workers, cursor, more, error, filter }, { choose, loadMore, retry }) {
  const known = new Set(jobs?.map(({ id }) => id));
  const all = [...(jobs ?? []), ...more.filter(({ id }) => !known.has(id))];
  const shown = all.filter(({ state }) => filter === 'all' || hasEnded(state) === (filter === 'ended'));
  const free = workers.filter(({ jobId, isDrained }) => jobId === undefined && !isDrained).length;
  const running = all.filter(({ state }) => state === 'running');
  const images = running.reduce((sum, { progress }) => sum + (progress?.imagesPerSecond ?? 0), 0);
  return [
    h(
      'div.page-head',
      {},
      h('h1', {}, 'Jobs'),
      jobs &&
        h(
          'p.muted',
          {},
          `${running.length} running`,
          running.length > 0 ? ` at ${speed(images)} images/s` : '',
          ` · ${plural(workers.length, 'worker')}, ${free} free`,
        ),
      h(
        'div.buttons.end',
        {},
        h(
          'div.segments',
          { role: 'group', 'aria-label': 'Which jobs' },
          ...FILTERS.map((each) =>
            h(
              'button',
              { type: 'button', 'aria-pressed': String(filter === each), onclick: () => choose(each) },
              each[0]?.toUpperCase() + each.slice(1),
            ),
          ),
        ),
        h('a.button.primary.needs-submit', { href: '/submit', 'data-link': true }, icon('plus'), 'New job'),
      ),
    ),
    jobs === undefined
      ? error === undefined
        ? loadingNotice('jobs')
        : errorNotice('Cannot show the jobs', errorText(error), retry)
      : all.length === 0
        ? emptyNotice(
            'No jobs yet',
            h(
              'p',
              {},
              'Point maestro at a folder of images: ',
              h('a', { href: '/submit', 'data-link': true }, 'fill in a form'),
              ', or from a terminal',
            ),
            h('pre', { tabindex: 0 }, 'maestro submit job.yaml --follow'),
            workers.length === 0 && h('p', {}, 'No worker is connected either; ', h('code', {}, 'maestro up --workers 2'), ' starts two.'),
          )
        : shown.length === 0
          ? emptyNotice(filter === 'active' ? 'No active jobs' : 'No finished jobs', h('p', {}, `${plural(all.length, 'job')} in all.`))
          : jobTable(shown),
    cursor !== undefined && h('div.more', {}, h('button.button', { type: 'button', onclick: loadMore }, 'Show older jobs')),
  ];
}

/** @param {readonly Job[]} jobs */
function jobTable(jobs) {
  const nowMs = Date.now();
  return h(
    'div.panel.table-panel',
    {},
    h(
      'table.table.cards.jobs',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...['Job', 'State', 'Progress', 'Result', 'Images/s', 'Time left', 'Age'].map((text, i) =>
            h('th', { scope: 'col', class: i >= 3 ? 'num' : '' }, text),
          ),
        ),
      ),
      h(
        'tbody',
        {},
        ...jobs.map((job) => {
          const { id, name, state, createdAt } = job;
          const href = `/jobs/${id}`;
          return h(
            'tr.is-link',
            { key: id, onclick: (/** @type {MouseEvent} */ event) => openRow(event, href) },
            h('td.main-cell', {}, h('a', { href, 'data-link': true }, name), h('span.mono.muted.small', {}, id)),
            h('td.state-cell', {}, stateBadge(state)),
            ...(state === 'queued' || state === 'failed' ? [reasonCell(job)] : progressCells(job)),
            h('td.num', { 'data-label': 'Age' }, h('time', { datetime: createdAt, title: moment(createdAt) }, age(createdAt, nowMs))),
          );
        }),
      ),
    ),
  );
}

/** Why a job waits or has failed, in the place of numbers that it does not have. @param {Job} job */
function reasonCell({ state, message, progress }) {
  return h(
    'td.reason-cell',
    { colspan: 4 },
    h('p.reason', { title: message, class: state === 'failed' ? 'reason is-error' : 'reason' }, ...reasonParts(message)),
    progress !== undefined &&
      progress.step > 0 &&
      h(
        'span.small.muted',
        {},
        `${state === 'failed' ? 'failed after' : 'goes on from'} step ${count(progress.step)} of ${count(progress.totalSteps)}`,
      ),
  );
}

/** @param {Job} job */
function progressCells(job) {
  const { state, progress } = job;
  const isMoving = state === 'running' || state === 'pausing';
  const [result, kind] = resultOf(job);
  return [
    h(
      'td.progress-cell',
      {},
      progress !== undefined && progressBar(job),
      h('span.small.muted', {}, progress === undefined ? 'not started' : `step ${count(progress.step)} of ${count(progress.totalSteps)}`),
    ),
    h('td.num', { 'data-label': 'Result' }, result, kind !== '' && h('span.cell-note', {}, kind)),
    h('td.num', { 'data-label': 'Images/s' }, isMoving ? speed(progress?.imagesPerSecond) : '–'),
    h('td.num', { 'data-label': 'Time left' }, isMoving && progress && progress.images > 0 ? duration(progress.etaSeconds) : '–'),
  ];
}

/** What a job has come to, and what that is. @param {Job} job @returns {[string, string]} */
function resultOf(job) {
  const { recipe, results } = job;
  const [first] = recipe.results;
  const value = first && results?.[first.name];
  if (first !== undefined && value !== undefined) return [metricText(first, value), first.label];
  return headline(job) ?? ['–', ''];
}

/** A click anywhere in a row opens it, unless text is being selected. @param {MouseEvent} event @param {string} href */
function openRow(event, href) {
  if (event.target instanceof Element && event.target.closest('a, button') !== null) return;
  if (getSelection()?.toString() === '') navigate(href);
}
