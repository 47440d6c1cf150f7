// @ts-check
import { errorText, request } from '../api.js';
import { h, onceAFrame, patch } from '../dom.js';
import { plural } from '../format.js';
import { pollInto } from '../live.js';
import { ask, toast } from '../parts/dialog.js';
import { emptyNotice, errorNotice, loadingNotice } from '../parts/notice.js';

/** @typedef {import('../types/api.d.ts').Worker} Worker */

const POLL_MS = 1500;

/** The workers that are connected. @param {HTMLElement} root @returns {import('../types/api.d.ts').Page} */
export function workersPage(root) {
  /** @type {{ workers?: readonly Worker[], names: Record<string, string>, error?: unknown }} */
  const state = { names: {} };
  const render = onceAFrame(() => patch(root, ...view(state, polling.now)));
  const ask = async (/** @type {AbortSignal} */ signal) => {
    const [workers, jobs] = await Promise.all([request('/api/v1/workers?limit=200', { signal }), request('/api/v1/jobs', { signal })]);
    return { workers: workers.items, names: Object.fromEntries(jobs.items.map((/** @type {any} */ job) => [job.id, job.name])) };
  };
  const polling = pollInto(state, render, ask, POLL_MS);
  render();
  return { title: 'Workers', dispose: () => polling.stop() };
}

/** @param {{ workers?: readonly Worker[], names: Record<string, string>, error?: unknown }} state @param {() => void} refresh */
function view({ workers, names, error }, refresh) {
  const free = workers?.filter(({ jobId, isDrained }) => jobId === undefined && !isDrained).length ?? 0;
  return [
    h(
      'div.page-head',
      {},
      h('h1', {}, 'Workers'),
      workers && h('p.muted', {}, `${plural(workers.length, 'worker')} connected, ${free} free`),
    ),
    workers === undefined
      ? error === undefined
        ? loadingNotice('workers')
        : errorNotice('Cannot show the workers', errorText(error), refresh)
      : workers.length === 0
        ? emptyNotice(
            'No workers connected',
            h('p', {}, 'Jobs wait until a worker connects. To start two on this machine:'),
            h('pre', { tabindex: 0 }, 'maestro up --workers 2'),
          )
        : h(
            'div.panel.table-panel',
            {},
            h(
              'table.table.cards',
              {},
              h(
                'thead',
                {},
                h(
                  'tr',
                  {},
                  ...['Worker', 'Status', 'Job', 'Device', 'Threads', 'Host', ''].map((text, i) =>
                    h('th', { scope: 'col', class: i === 4 ? 'num' : '' }, text === '' ? h('span.visually-hidden', {}, 'Actions') : text),
                  ),
                ),
              ),
              h('tbody', {}, ...workers.map((worker) => row(worker, names, refresh))),
            ),
          ),
  ];
}

/** @param {Worker} worker @param {Record<string, string>} names @param {() => void} refresh */
function row({ name, id, jobId, device, threads, host, pid, address, isDrained, operators, kernels }, names, refresh) {
  const [tone, status] = isDrained ? ['amber', 'drained'] : jobId === undefined ? ['grey', 'free'] : ['blue', 'at work'];
  const drain = () =>
    ask({
      title: `Drain ${name}?`,
      text:
        jobId === undefined
          ? `${name} gets no job until its process is restarted.`
          : `${name} leaves ${names[jobId] ?? jobId} at the next step boundary; the others take over its part, and the weights stay ` +
            'the same. It gets no job until its process is restarted.',
      confirm: 'Drain',
      isDangerous: true,
      act: async () => {
        await request(`/api/v1/workers/${encodeURIComponent(name)}/drain`, { method: 'POST' });
        toast(`${name} is being drained`);
        refresh();
      },
    });
  return h(
    'tr',
    { key: id },
    h('td.main-cell', {}, h('strong', {}, name), h('span.mono.muted.small', {}, address)),
    h('td', { 'data-label': 'Status' }, h('span.badge', { 'data-tone': tone }, status)),
    h(
      'td',
      { 'data-label': 'Job' },
      jobId === undefined ? '–' : h('a', { href: `/jobs/${jobId}`, 'data-link': true }, names[jobId] ?? jobId),
    ),
    h(
      'td',
      { 'data-label': 'Device' },
      device,
      h('span.mono.muted.small', { title: 'native operators' }, operators === 0 ? '' : ` ${kernels}`),
    ),
    h('td.num', { 'data-label': 'Threads' }, threads),
    h('td', { 'data-label': 'Host' }, `${host} · ${pid}`),
    h(
      'td.action-cell',
      {},
      h('button.button.small.needs-admin', { type: 'button', disabled: isDrained, onclick: drain, 'aria-label': `Drain ${name}` }, 'Drain'),
    ),
  );
}
