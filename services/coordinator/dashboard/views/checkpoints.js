// @ts-check
import { errorText, request } from '../api.js';
import { h, keep, onceAFrame, patch } from '../dom.js';
import { age, bytes, count, moment } from '../format.js';
import { pollInto } from '../live.js';
import { toast } from '../parts/dialog.js';
import { icon } from '../parts/icon.js';
import { emptyNotice, errorNotice, loadingNotice } from '../parts/notice.js';

/** @typedef {import('../types/api.d.ts').CheckpointItem} CheckpointItem */

const POLL_MS = 4000;

/** The job's checkpoints, newest first. @param {import('../types/api.d.ts').Job} job @returns {import('./jobPage.js').Tab} */
export function openCheckpoints({ id, spec }) {
  const element = keep(h('section.panel.table-panel', { 'aria-label': 'Checkpoints' }));
  /** @type {{ items?: readonly CheckpointItem[], error?: unknown }} */
  const state = {};
  const render = onceAFrame(() =>
    patch(
      element,
      view(state, id, spec.checkpoint.everySteps, () => polling.now()),
    ),
  );
  const ask = async (/** @type {AbortSignal} */ signal) => {
    const { items } = await request(`/api/v1/jobs/${id}/checkpoints?limit=200`, { signal });
    return { items: [...items].sort((a, b) => b.step - a.step) };
  };
  const polling = pollInto(state, render, ask, POLL_MS);
  render();
  return { element, update: () => undefined, dispose: () => polling.stop() };
}

/**
 * @param {{ items?: readonly CheckpointItem[], error?: unknown }} state
 * @param {string} id
 * @param {number} everySteps
 * @param {() => void} retry
 */
function view({ items, error }, id, everySteps, retry) {
  if (items === undefined)
    return error === undefined ? loadingNotice('checkpoints') : errorNotice('Cannot show the checkpoints', errorText(error), retry);
  if (items.length === 0)
    return emptyNotice(
      'No checkpoint yet',
      h('p', {}, `A checkpoint is written every ${count(everySteps)} steps (checkpoint.everySteps in the job file), and at the end.`),
    );
  const nowMs = Date.now();
  return h(
    'table.table.cards',
    {},
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'Step'),
        h('th', { scope: 'col' }, 'Hash'),
        h('th', { scope: 'col' }, 'State'),
        h('th.num', { scope: 'col' }, 'Size'),
        h('th.num', { scope: 'col' }, 'Age'),
        h('th', { scope: 'col' }, h('span.visually-hidden', {}, 'Actions')),
      ),
    ),
    h(
      'tbody',
      {},
      ...items.map(({ step, hash, bytes: size, createdAt, valid, problem, path }) =>
        h(
          'tr',
          { key: String(step) },
          h(
            'td.main-cell',
            {},
            h('strong', {}, `step ${count(step)}`),
            h('span.mono.muted.small', {}, path),
            problem && h('span.small', {}, problem),
          ),
          h(
            'td',
            { 'data-label': 'Hash' },
            h(
              'button.button.bare.small.mono',
              {
                type: 'button',
                title: `${hash}\nCopy`,
                'aria-label': `${hash.slice(0, 12)}: copy the hash of step ${step}`,
                onclick: () => copy(hash),
              },
              hash.slice(0, 12),
              icon('copy'),
            ),
          ),
          h(
            'td',
            { 'data-label': 'State' },
            valid === undefined
              ? h('span.muted', {}, 'not checked')
              : h('span.badge', { 'data-tone': valid ? 'green' : 'red' }, valid ? 'whole' : 'not valid'),
          ),
          h('td.num', { 'data-label': 'Size' }, bytes(size)),
          h('td.num', { 'data-label': 'Age' }, h('time', { datetime: createdAt, title: moment(createdAt) }, age(createdAt, nowMs))),
          h(
            'td.action-cell',
            {},
            h(
              'a.button.small',
              {
                href: `/api/v1/jobs/${id}/checkpoints/${step}/download`,
                download: true,
                'aria-label': `Download the checkpoint of step ${step}`,
              },
              icon('download'),
              'Download',
            ),
          ),
        ),
      ),
    ),
  );
}

/** @param {string} hash */
async function copy(hash) {
  try {
    await navigator.clipboard.writeText(hash);
    toast('The hash is copied');
  } catch {
    toast(hash); // without permission it can be copied by hand from here
  }
}
