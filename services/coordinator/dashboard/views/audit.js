// @ts-check
import { errorText, request } from '../api.js';
import { h, keep, patch } from '../dom.js';
import { count } from '../format.js';

/** A panel that has the ledger compared with the job's permutations, when asked. @param {string} jobId */
export function auditPanel(jobId) {
  const body = h('div.panel-body');
  const element = keep(
    h(
      'section.panel',
      { 'aria-label': 'Audit' },
      h('header.panel-head', {}, h('h2', {}, 'Audit'), h('span.muted.small', {}, 'was every sample taken exactly once?')),
      body,
    ),
  );
  const run = async () => {
    patch(body, h('p.muted', {}, 'Comparing the ledger with the permutations of the job…'));
    try {
      patch(body, result(await request(`/api/v1/jobs/${jobId}/audit`)), button('Audit again'));
    } catch (error) {
      patch(body, h('p.field-error', { role: 'alert' }, errorText(error)), button('Try again'));
    }
  };
  const button = (/** @type {string} */ text) => h('button.button.small', { type: 'button', onclick: run }, text);
  patch(body, button('Audit now'));
  return { element };
}

/** Whatever numbers the audit has, by their names; the verdict first. @param {Record<string, unknown>} audit */
function result(audit) {
  const numbers = Object.entries(audit).filter(([, value]) => typeof value === 'number');
  const isClean = audit['isClean'];
  const verdicts = { clean: 'every sample exactly once', incomplete: 'the record is incomplete' };
  const verdict = verdicts[/** @type {'clean'} */ (audit['verdict'])] ?? 'not exactly once';
  return h(
    'div',
    {},
    typeof isClean === 'boolean' && h('p', {}, h('span.badge', { 'data-tone': isClean ? 'green' : 'red' }, verdict)),
    h(
      'dl.facts',
      {},
      ...numbers.flatMap(([name, value]) => [
        h('dt', {}, name.replace(/([A-Z])/g, ' $1').toLowerCase()),
        h('dd', {}, count(Number(value))),
      ]),
    ),
  );
}
