// @ts-check
import { ApiError, errorText, request } from '../api.js';
import { h, onceAFrame, patch } from '../dom.js';
import { follow } from '../live.js';
import { hasEnded } from '../parts/jobState.js';
import { emptyNotice, errorNotice, loadingNotice } from '../parts/notice.js';
import { matchPlace, replacePlace } from '../router.js';
import { openCheckpoints } from './checkpoints.js';
import { openHistory } from './history.js';
import { openJobFile } from './jobFile.js';
import { jobHeader } from './jobHeader.js';
import { openLogs } from './logs.js';
import { openOverview } from './overview.js';

/** @typedef {import('../types/api.d.ts').Job} Job */

/**
 * What a tab of the job's page is: an element that lives on, told of each change of the job.
 * @typedef {{ element: HTMLElement, update: (job: Job) => void, dispose: () => void }} Tab
 */

/** @type {readonly (readonly [name: string, title: string, open: (job: Job) => Tab])[]} */
const TABS = [
  ['overview', 'Overview', openOverview],
  ['logs', 'Logs', openLogs],
  ['checkpoints', 'Checkpoints', openCheckpoints],
  ['history', 'History', openHistory],
  ['file', 'Job file', openJobFile],
];

/** One job, live. @param {HTMLElement} root @param {import('../router.js').Place} place @returns {import('../types/api.d.ts').Page} */
export function jobPage(root, { params }) {
  let id = params['id'] ?? '';
  /** @type {Job | undefined} */
  let job;
  /** @type {unknown} */
  let error;
  /** @type {{ name: string, tab: Tab } | undefined} */
  let opened;

  const tabName = () => {
    const wanted = matchPlace('/jobs/:id/:tab')?.params['tab'] ?? 'overview';
    return TABS.some(([name]) => name === wanted) ? wanted : 'overview';
  };

  const render = onceAFrame(() => {
    if (job === undefined) {
      patch(
        root,
        h('h1.visually-hidden', {}, 'Job ', id),
        error === undefined
          ? loadingNotice('the job')
          : isUnknown(error)
            ? unknownJob(id)
            : errorNotice('Cannot show the job', errorText(error), start),
      );
      return;
    }
    document.title = `${job.name} · maestro`;
    const name = tabName();
    if (opened?.name !== name) {
      opened?.tab.dispose();
      const open = TABS.find(([each]) => each === name)?.[2] ?? openOverview;
      opened = { name, tab: open(job) };
    }
    patch(root, jobHeader(job, take, name === 'overview'), tabBar(id, name), opened.tab.element);
    opened.tab.update(job);
  });

  const take = (/** @type {Job} */ next) => {
    job = next;
    error = undefined;
    render();
  };

  let unfollow = () => undefined;
  async function start() {
    try {
      const found = await request(`/api/v1/jobs/${encodeURIComponent(id)}`);
      // It may have been named by its name, by the beginning of its id, or as @last: from here on it is this one.
      if (found.id !== id) replacePlace(location.pathname.replace(/^\/jobs\/[^/]+/, `/jobs/${found.id}`));
      id = found.id;
      take(found);
      unfollow();
      unfollow = /** @type {() => undefined} */ (
        follow(() => `/api/v1/jobs/${encodeURIComponent(id)}/watch`, {
          types: ['message', 'job'],
          onEvent: (_, next) => take(next),
          isOver: () => job !== undefined && hasEnded(job.state),
        })
      );
    } catch (failure) {
      error = failure;
      render();
      if (!isUnknown(failure)) retry = setTimeout(start, 2000);
    }
  }
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry;
  start();
  render();
  addEventListener('placechange', render);
  // Times left and ages move although nothing happens.
  const ticking = setInterval(render, 1000);
  return {
    title: 'Job',
    dispose() {
      unfollow();
      clearTimeout(retry);
      clearInterval(ticking);
      removeEventListener('placechange', render);
      opened?.tab.dispose();
    },
  };
}

/** @param {unknown} error */
function isUnknown(error) {
  return error instanceof ApiError && (error.status === 404 || error.status === 400);
}

/** @param {string} id */
function unknownJob(id) {
  return emptyNotice(
    'No such job',
    h('p', {}, h('code', {}, id), ' is not known to this coordinator.'),
    h('p', {}, h('a', { href: '/', 'data-link': true }, 'All jobs')),
  );
}

/** @param {string} id @param {string} current */
function tabBar(id, current) {
  return h(
    'nav.tabs',
    { 'aria-label': 'Parts of the job' },
    ...TABS.map(([name, title]) =>
      h(
        'a',
        {
          href: name === 'overview' ? `/jobs/${id}` : `/jobs/${id}/${name}`,
          'data-link': true,
          'aria-current': name === current && 'page',
        },
        title,
      ),
    ),
  );
}
