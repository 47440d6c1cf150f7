// @ts-check
import { request } from '../api.js';
import { h, keep, patch } from '../dom.js';
import { metricText, speed } from '../format.js';
import { poll } from '../live.js';
import { createChart } from '../parts/chart.js';
import { hasEnded } from '../parts/jobState.js';
import { emptyNotice } from '../parts/notice.js';
import { openReconstructions } from './reconstructions.js';
import { openTimeline } from './timeline.js';
import { viewChange } from './viewChange.js';

/**
 * @typedef {import('../types/api.d.ts').Job} Job
 * @typedef {import('../types/api.d.ts').Series} Series
 * @typedef {import('../types/api.d.ts').JobViewItem} JobViewItem
 * @typedef {import('../types/api.d.ts').Metric} Metric
 */

const POINTS = 800;
const POLL_MS = 2000;
/** Colours of the curves beside the first one and the speed, by turns. */
const COLOURS = ['--line-4', '--line-3'];

/** Curves, timeline and reconstructions. @param {Job} job @returns {import('./jobPage.js').Tab} */
export function openOverview(job) {
  const curves = job.recipe.series.filter(({ isDetail }) => isDetail !== true);
  const charts = new Map([
    ...curves.map((metric, i) => /** @type {const} */ ([metric.name, { chart: metricChart(metric, i), hasMean: metric.unit !== 'rate' }])),
    /** @type {const} */ ([
      'imagesPerSecond',
      {
        chart: createChart({
          title: 'Speed',
          unit: 'images per second',
          lines: withMean('images/s', '--line-2'),
          format: speed,
          startsAtZero: true,
          height: 150,
        }),
        hasMean: true,
      },
    ]),
  ]);
  const reconstructions = openReconstructions(job.id);
  const timeline = openTimeline(job.id);
  const isTraining = job.recipe.verb === 'training';
  const [first, ...others] = [...charts.values()].map(({ chart }) => chart.element);
  const parts = [first, ...(isTraining ? [reconstructions.element] : []), ...others, timeline.element];
  const element = keep(h('div', { class: isTraining ? 'overview' : 'overview is-measuring' }));
  let isOver = false;
  const polling = poll(async (signal) => {
    const [metrics, views] = await Promise.all([
      request(`/api/v1/jobs/${job.id}/metrics?series=${[...charts.keys()].join(',')}&points=${POINTS}`, { signal }),
      request(`/api/v1/jobs/${job.id}/views?limit=200`, { signal }),
    ]);
    const markers = markersOf(views.items);
    for (const { name, points } of /** @type {Series[]} */ (metrics.series)) {
      const shown = charts.get(name);
      const values = points.map(([, , value]) => value);
      shown?.chart.setData([points.map(([step]) => step), values, ...(shown.hasMean ? [runningMean(values)] : [])], markers);
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
      for (const { chart } of charts.values()) chart.dispose();
      reconstructions.dispose();
      timeline.dispose();
    },
  };
}

/** The curve of what a job tells at each step; the first one is what it is judged by. @param {Metric} metric @param {number} place */
function metricChart(metric, place) {
  const { label, unit, about = '', better } = metric;
  const isFirst = place === 0;
  const colour = isFirst ? '--line-1' : /** @type {string} */ (COLOURS[(place - 1) % COLOURS.length]);
  const short = metric.shortLabel ?? label.toLowerCase();
  const isRate = unit === 'rate';
  return createChart({
    title: label,
    unit: about,
    lines: isRate ? [{ label: label.toLowerCase(), colour }] : withMean(short, colour),
    format: (value) => metricText(metric, value),
    ...(isRate && { tick: (/** @type {number} */ value) => (value === 0 ? '0' : value.toExponential()), startsAtZero: true }),
    hasLogScale: better === 'lower',
    height: isFirst ? 268 : 150,
  });
}

/** What stands in the place of curves that have no point. @param {Job} job */
function nothingYet({ state }) {
  if (hasEnded(state)) return emptyNotice('No step was completed', h('p', {}, 'Curves, pictures and times start with the first step.'));
  return emptyNotice(
    state === 'queued' ? 'Waiting in the queue' : 'No step completed yet',
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
