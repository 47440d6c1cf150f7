// @ts-check
import { request } from '../api.js';
import { h } from '../dom.js';
import { age, count, duration, metricText, moment, speed } from '../format.js';
import { ask, toast } from '../parts/dialog.js';
import { icon } from '../parts/icon.js';
import { hasEnded, progressBar, stateBadge } from '../parts/jobState.js';
import { reasonParts } from '../parts/reason.js';
import { jobFailure } from './jobFailure.js';

/** @typedef {import('../types/api.d.ts').Job} Job @typedef {import('../types/api.d.ts').Metric} Metric */

const ACTIONS = /** @type {const} */ ({
  pause: {
    label: 'Pause',
    icon: 'pause',
    text:
      'Its workers write a checkpoint, stop at the next step boundary, and are free for other jobs. When resumed, the job continues ' +
      'from there, with the same weights as without the pause.',
    isDangerous: false,
  },
  resume: {
    label: 'Resume',
    icon: 'play',
    text: 'The job is queued again, and continues from its newest checkpoint as soon as there are workers.',
    isDangerous: false,
  },
  cancel: {
    label: 'Cancel',
    icon: 'stop',
    text:
      'It writes a checkpoint and stops at the next step boundary. A cancelled job cannot be resumed, but a new job can continue from ' +
      'its checkpoint.',
    isDangerous: true,
  },
});

/** @param {Job} job @returns {(keyof typeof ACTIONS)[]} */
function possibleActions({ state }) {
  if (hasEnded(state)) return [];
  return state === 'paused' ? ['resume', 'cancel'] : state === 'pausing' ? ['cancel'] : ['pause', 'cancel'];
}

/**
 * Name, state, why, what can be done, and where it stands.
 * @param {Job} job
 * @param {(job: Job) => void} take told what an action left
 * @param {boolean} hasTiles whether the numbers are shown, too
 */
export function jobHeader(job, take, hasTiles) {
  const { id, name, state, message, progress, createdAt } = job;
  const { warnings } = /** @type {{ warnings?: readonly string[] }} */ (job);
  const slow = job.conditions.find(({ type, status }) => type === 'Progressing' && !status);
  const held = job.conditions.find(({ type, status }) => type === 'Loaded' && !status);
  const recorded = job.conditions.find(({ type, status }) => type === 'Recorded' && !status);
  return h(
    'header.job-head',
    {},
    h(
      'p.crumbs',
      {},
      h('a', { href: '/', 'data-link': true }, 'Jobs'),
      h('span.muted', { 'aria-hidden': 'true' }, ' / '),
      h('span.mono.muted', {}, id),
    ),
    h(
      'div.page-head',
      {},
      h('h1', {}, name),
      stateBadge(state),
      h('div.buttons.end', {}, ...possibleActions(job).map((action) => actionButton(job, action, take))),
    ),
    state === 'failed' ? jobFailure(job) : h('p.job-reason', {}, ...reasonParts(message)),
    ...[
      held?.message === message ? undefined : held?.message,
      slow?.message,
      recorded?.message,
      ...(hasEnded(state) ? [] : (warnings ?? [])),
    ].map((text) => text !== undefined && h('p.job-warning', { role: 'status' }, icon('warn'), h('span', {}, ...reasonParts(text)))),
    progress !== undefined && progressBar(job),
    h(
      'p.job-progress',
      {},
      progress === undefined
        ? h('span', {}, 'not started')
        : h(
            'span',
            {},
            h('strong', {}, count(progress.step)),
            ` of ${count(progress.totalSteps)} steps · epoch ${progress.epoch.toFixed(2)} of ${trim(progress.totalEpochs)}`,
          ),
      h('span', {}, 'submitted ', h('time', { datetime: createdAt, title: moment(createdAt) }, age(createdAt, Date.now())), ' ago'),
    ),
    hasTiles && progress !== undefined && tiles(job),
  );
}

/** @param {Job} job */
function tiles({ state, progress, members, startedAt, endedAt, stepsRedone, spec, recipe, results }) {
  const isMoving = state === 'running' || state === 'pausing';
  const isOver = hasEnded(state);
  const has = progress !== undefined && progress.images > 0;
  const working = members.filter(({ status }) => status !== 'left');
  const elapsed =
    startedAt === undefined ? undefined : ((endedAt === undefined ? Date.now() : Date.parse(endedAt)) - Date.parse(startedAt)) / 1000;
  /** @type {[string, string, string | undefined][]} */
  const values = [
    ...recipe.series.filter(({ isDetail }) => isDetail !== true).map((metric, i) => seriesTile(metric, progress, i === 0)),
    ...recipe.results.filter(({ note }) => note !== undefined).map((metric) => resultTile(recipe, metric, results)),
    isOver
      ? ['Images', count(progress?.images), has && elapsed ? `${speed(progress.images / elapsed)} a second on average` : undefined]
      : ['Images/s', isMoving && has ? speed(progress.imagesPerSecond) : '–', has ? `${count(progress.images)} in all` : undefined],
    isOver
      ? ['Took', duration(elapsed), undefined]
      : [
          'Time left',
          isMoving && has ? duration(progress.etaSeconds) : '–',
          elapsed === undefined ? undefined : `${duration(elapsed)} so far`,
        ],
    isOver
      ? ['Workers', count(members.length), 'in the last view']
      : [
          'Workers',
          String(working.length),
          `${spec.resources.minWorkers} to ${spec.resources.maxWorkers ?? spec.resources.virtualRanks} wanted`,
        ],
    ['Precision', spec.precision, spec.precision === 'standard' ? 'on any machine' : 'native operators'],
    ['Steps redone', count(stepsRedone), stepsRedone === 0 ? 'none lost' : 'to the same bits'],
  ];
  return h(
    'dl.tiles',
    {},
    ...values.map(([label, value, note]) =>
      h('div.tile', { key: label }, h('dt', {}, label), h('dd', {}, value), h('dd.tile-note', {}, note ?? '')),
    ),
  );
}

/**
 * What a job tells at each step.
 * @param {Metric} metric
 * @param {Job['progress']} progress
 * @param {boolean} isJudged whether the job is judged by it
 * @returns {[string, string, string | undefined]}
 */
function seriesTile(metric, progress, isJudged) {
  const { name, label } = metric;
  const first = isJudged ? progress?.firstMetrics[name] : undefined;
  return [label, metricText(metric, progress?.metrics[name]), first === undefined ? undefined : `${metricText(metric, first)} at first`];
}

/**
 * What a job ends with, and the number that belongs to it.
 * @param {Job['recipe']} recipe
 * @param {Metric} metric
 * @param {Job['results']} results
 * @returns {[string, string, string | undefined]}
 */
function resultTile(recipe, metric, results) {
  const note = recipe.results.find(({ name }) => name === metric.note);
  return [
    metric.label,
    metricText(metric, results?.[metric.name]),
    note && results && `${metricText(note, results[note.name])} ${note.label}`,
  ];
}

/** @param {Job} job @param {keyof typeof ACTIONS} action @param {(job: Job) => void} take */
function actionButton({ id, name }, action, take) {
  const { label, icon: symbol, text, isDangerous } = ACTIONS[action];
  return h(
    'button.button',
    {
      key: action,
      type: 'button',
      class: isDangerous ? 'button danger needs-submit' : 'button needs-submit',
      onclick: () =>
        ask({
          title: `${label} ${name}?`,
          text,
          confirm: action === 'cancel' ? 'Cancel the job' : label,
          isDangerous,
          act: async () => {
            take(await request(`/api/v1/jobs/${id}/${action}`, { method: 'POST' }));
            toast(`${name}: ${action} requested`);
          },
        }),
    },
    icon(symbol),
    label,
  );
}

/** @param {number} value */
function trim(value) {
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}
