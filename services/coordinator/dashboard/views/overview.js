// @ts-check
import { request } from '../api.js';
import { h, keep, patch } from '../dom.js';
import { measure, rate, speed } from '../format.js';
import { poll } from '../live.js';
import { createChart } from '../parts/chart.js';
import { hasEnded } from '../parts/jobState.js';
import { emptyNotice } from '../parts/notice.js';
import { openReconstructions } from './reconstructions.js';
import { openTimeline } from './timeline.js';
import { viewChange } from './viewChange.js';

/** @typedef {import('../types/api.d.ts').Job} Job @typedef {import('../types/api.d.ts').Series} Series @typedef {import('../types/api.d.ts').JobViewItem} JobViewItem */

const SERIES = ['loss', 'learningRate', 'imagesPerSecond'];
const POINTS = 800;
const POLL_MS = 2000;

/** Curves, timeline and reconstructions. @param {Job} job @returns {import('./jobPage.js').Tab} */
export function openOverview(job) {
  const charts = {
    loss: createChart({
      title: 'Loss',
      unit: 'mean squared error on hidden patches',
      lines: withMean('loss', '--line-1'),
      format: measure,
      hasLogScale: true,
      height: 268,
    }),
    learningRate: createChart({
      title: 'Learning rate',
      unit: '',
      lines: [{ label: 'learning rate', colour: '--line-4' }],
      format: rate,
      tick: (value) => (value === 0 ? '0' : value.toExponential()),
      startsAtZero: true,
      height: 150,
    }),
    imagesPerSecond: createChart({
      title: 'Speed',
      unit: 'images per second',
      lines: withMean('images/s', '--line-2'),
      format: speed,
      startsAtZero: true,
      height: 150,
    }),
  };
  const reconstructions = openReconstructions(job.id);
  const timeline = openTimeline(job.id);
  const isTraining = job.recipe.verb === 'training';
  const parts = [
    ...(isTraining ? [charts.loss.element, reconstructions.element, charts.learningRate.element] : []),
    charts.imagesPerSecond.element,
    timeline.element,
  ];
  const element = keep(h('div', { class: isTraining ? 'overview' : 'overview is-measuring' }));
  let isOver = false;
  const polling = poll(async (signal) => {
    const [metrics, views] = await Promise.all([
      request(`/api/v1/jobs/${job.id}/metrics?series=${SERIES.join(',')}&points=${POINTS}`, { signal }),
      request(`/api/v1/jobs/${job.id}/views?limit=200`, { signal }),
    ]);
    const markers = markersOf(views.items);
    for (const { name, points } of /** @type {Series[]} */ (metrics.series)) {
      const chart = charts[/** @type {keyof typeof charts} */ (name)];
      const values = points.map(([, , value]) => value);
      chart?.setData([points.map(([step]) => step), values, ...(name === 'learningRate' ? [] : [runningMean(values)])], markers);
    }
    await Promise.all([reconstructions.refresh(signal), timeline.refresh(signal)]);
    if (isOver) polling.stop();
  }, POLL_MS);
  return {
    element,
    update(next) {
      isOver = hasEnded(next.state);
      const hasSteps = next.progress !== undefined && next.progress.images > 0;
      patch(element, ...(hasSteps ? parts : [nothingYet(next)]));
    },
    dispose() {
      polling.stop();
      for (const chart of Object.values(charts)) chart.dispose();
      reconstructions.dispose();
      timeline.dispose();
    },
  };
}

/** What stands in the place of curves that have no point. @param {Job} job */
function nothingYet({ state }) {
  if (hasEnded(state)) return emptyNotice('No step was done', h('p', {}, 'Curves, pictures and times are drawn from the first step on.'));
  return emptyNotice(
    state === 'queued' ? 'It waits for its turn' : 'It has not done a step yet',
    h('p', {}, 'Curves, pictures and times appear with the first step.'),
  );
}

/** Where the view changed, as marks on the curves. @param {readonly JobViewItem[]} views */
function markersOf(views) {
  const byAge = [...views].sort((a, b) => a.generation - b.generation);
  return byAge.slice(1).map((view, i) => {
    const { joined, left } = viewChange(byAge[i], view);
    const text = [...left.map((name) => `− ${name}`), ...joined.map((name) => `+ ${name}`)].join(', ');
    return { step: view.startStep, text: text === '' ? view.reason : text, isLoss: left.length > 0 };
  });
}

/** A quantity that jumps from step to step: each point, faint, and its running mean. @param {string} label @param {string} colour */
function withMean(label, colour) {
  return [
    { label, colour, isFaint: true },
    { label: 'mean', colour },
  ];
}

/** Points on each side that a mean takes in; of a short curve, a fortieth of its points. */
const MOST_REACH = 10;

/** The mean of each value and its neighbours, as many before as behind, so that it does not lag. @param {readonly number[]} values */
function runningMean(values) {
  const most = Math.min(MOST_REACH, Math.floor(values.length / 40));
  const sums = [0];
  for (const value of values) sums.push((sums.at(-1) ?? 0) + value);
  return values.map((_, i) => {
    const reach = Math.min(most, i, values.length - 1 - i);
    return ((sums[i + reach + 1] ?? 0) - (sums[i - reach] ?? 0)) / (2 * reach + 1);
  });
}
