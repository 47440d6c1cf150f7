// @ts-check
import { h, keep, patch } from '../dom.js';
import { stringify } from '../yaml/index.js';

/**
 * The job file as the coordinator has it, with every default filled in.
 * @param {import('../types/api.d.ts').Job} job
 * @returns {import('./jobPage.js').Tab}
 */
export function openJobFile({ id, spec }) {
  const text = stringify(spec);
  const element = keep(h('section.panel', { 'aria-label': 'Job file' }));
  patch(
    element,
    h(
      'header.panel-head',
      {},
      h('h2', {}, 'Job file'),
      h('span.muted.small', {}, 'with every default filled in'),
      h('div.end', {}, h('a.button.small', { href: `/submit?from=${id}`, 'data-link': true }, 'Submit a similar job')),
    ),
    h('pre.job-file', { tabindex: 0 }, text),
  );
  return { element, update: () => undefined, dispose: () => undefined };
}
