// @ts-check
import { errorText, request } from '../api.js';
import { h, keep, patch } from '../dom.js';
import { count, plural } from '../format.js';

/** @typedef {import('../types/api.d.ts').Audit} Audit */

const VERDICTS = { clean: 'every sample exactly once', incomplete: 'the record is incomplete', unclean: 'not exactly once' };
/** Problems that are listed; the command has all. */
const MOST_PROBLEMS = 8;

/** A panel that has the ledger compared with the job's permutations, when asked. @param {string} jobId */
export function auditPanel(jobId) {
  const body = h('div.panel-body.audit');
  const element = keep(
    h(
      'section.panel',
      { 'aria-label': 'Audit', class: 'panel audit-panel' },
      h('header.panel-head', {}, h('h2', {}, 'Audit'), h('span.muted.small', {}, 'was every sample consumed exactly once?')),
      body,
    ),
  );
  const run = async () => {
    patch(body, h('p.muted', { role: 'status' }, 'Comparing the ledger with the permutations of the job…'));
    try {
      patch(body, ...result(await request(`/api/v1/jobs/${jobId}/audit`)), button('Audit again'));
    } catch (error) {
      patch(body, h('p.field-error', { role: 'alert' }, errorText(error)), button('Try again'));
    }
  };
  const button = (/** @type {string} */ text) => h('button.button.small', { type: 'button', onclick: run }, text);
  patch(body, h('p.muted', {}, "Compares the ledger with the samples that the job's seed assigns to each step."), button('Audit now'));
  return { element };
}

/** The verdict, and the numbers that it rests on. @param {Audit} audit */
function result(audit) {
  const {
    isClean,
    verdict,
    step,
    totalSteps,
    images,
    expected,
    skipped,
    missing,
    duplicates,
    mismatches,
    unknownSteps,
    epochs,
    problems,
    problemCount,
  } = audit;
  // A worker that was started again is another process of the same name.
  const workers = new Set(audit.workers.map(({ id }) => id.split(':')[0])).size;
  /** @type {[string, number][]} */
  const facts = [
    ['Planned', expected],
    ['Trained on', images],
    ['Missing', missing],
    ['Taken twice', duplicates],
    ['Not as planned', mismatches],
    ['Broken images', skipped],
    ['Unknown steps', unknownSteps],
  ];
  return [
    h(
      'p.verdict',
      { role: 'status' },
      h('span.badge', { 'data-tone': isClean ? 'green' : 'red' }, VERDICTS[verdict]),
      h('span', {}, `in ${count(step)} of ${count(totalSteps)} steps, ${plural(epochs.length, 'epoch')}, by ${plural(workers, 'worker')}`),
    ),
    h('dl.facts', {}, ...facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, count(value))))),
    problems.length > 0 &&
      h(
        'ul.problems',
        {},
        ...problems.slice(0, MOST_PROBLEMS).map((problem) => h('li', {}, problem)),
        problemCount > MOST_PROBLEMS && h('li', {}, `and ${count(problemCount - MOST_PROBLEMS)} more; \`maestro audit\` lists them`),
      ),
  ];
}
