// @ts-check
import { h } from '../dom.js';
import { bytes, count, duration, plural, rate } from '../format.js';

/**
 * That the job would be taken, what it comes to, and what may not be meant.
 * @param {{ spec?: any, recipe?: any, plan?: any, warnings: readonly string[] }} checked
 */
export function verdict({ spec, recipe, plan, warnings }) {
  const { schedule, resources, model } = spec;
  const batch = resources.virtualRanks * schedule.microBatch * schedule.accumulation;
  const isReady = warnings.length === 0;
  const isMeasuring = recipe?.verb === 'measuring';
  /** @type {[string, string | undefined][]} */
  const facts = [
    [
      isMeasuring ? 'Measures' : 'Trains for',
      isMeasuring
        ? spec.checkpoint.resumeFrom
        : schedule.epochs === undefined
          ? `${count(schedule.steps)} steps`
          : `${count(schedule.epochs)} epochs`,
    ],
    ['Images', plan?.samples && count(plan.samples)],
    ['Global batch', `${count(batch)} images`],
    ['Steps', plan?.totalSteps && `${count(plan.totalSteps)}${plan.stepsPerEpoch ? `, ${count(plan.stepsPerEpoch)} an epoch` : ''}`],
    [
      'Learning rate',
      plan?.learningRate && `${rate(plan.learningRate)}${plan.warmupSteps ? ` after ${count(plan.warmupSteps)} steps` : ''}`,
    ],
    ['Model', model.preset],
    ['Precision', spec.precision],
    ['Parameters', plan?.parameters && count(plan.parameters)],
    ['Memory', plan?.memoryBytes && `${bytes(plan.memoryBytes)} a worker, about`],
    ['Workers', `${resources.minWorkers} to ${resources.maxWorkers ?? resources.virtualRanks}`],
    ['Takes about', plan?.seconds && `${duration(plan.seconds)} on ${plural(plan.workers, 'worker')}`],
  ];
  return h(
    'div',
    {},
    h(
      'p.verdict',
      { role: 'status' },
      h('span.badge', { 'data-tone': isReady ? 'green' : 'amber' }, isReady ? 'ready' : 'ready, but'),
      h('span', {}, 'The coordinator would accept this job.'),
    ),
    !isReady && h('ul.problems', {}, ...warnings.map((text) => h('li.is-warning', {}, text))),
    h('dl.facts.is-list', {}, ...facts.flatMap(([term, text]) => (text ? [h('div', {}, h('dt', {}, term), h('dd', {}, text))] : []))),
  );
}
