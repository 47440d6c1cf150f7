// @ts-check
import { errorText, request } from '../api.js';
import { h, keep, onceAFrame, patch } from '../dom.js';
import { clock, count, duration } from '../format.js';
import { emptyNotice, errorNotice, loadingNotice } from '../parts/notice.js';
import { colour } from '../theme.js';

/** @typedef {import('../types/api.d.ts').Timeline} Timeline */

/** Names of phases as people say them, and their colours. */
const PHASES = /** @type {Record<string, { label: string, token: string }>} */ ({
  data: { label: 'data', token: '--phase-data' },
  forward: { label: 'forward and backward', token: '--phase-forward' },
  reduceScatter: { label: 'reduce-scatter', token: '--phase-reduce-scatter' },
  allGather: { label: 'all-gather', token: '--phase-all-gather' },
  apply: { label: 'apply', token: '--phase-apply' },
  wait: { label: 'wait for others', token: '--phase-wait' },
  other: { label: 'other', token: '--phase-other' },
});
const STEPS = 24;
const ROW_HEIGHT = 22;

/** What each worker did in the last steps, phase by phase; who keeps the others waiting is named. @param {string} jobId */
export function openTimeline(jobId) {
  const element = keep(h('section.panel.timeline', { 'aria-label': 'Phases of the workers' }));
  /** @type {{ timeline?: Timeline, error?: unknown }} */
  const state = {};
  /** @type {Map<string, HTMLCanvasElement>} */
  const canvases = new Map();
  const render = onceAFrame(() => {
    patch(element, ...view(state, canvasOf));
    drawRows();
  });
  const canvasOf = (/** @type {string} */ name) => {
    const canvas =
      canvases.get(name) ??
      /** @type {HTMLCanvasElement} */ (
        keep(
          h('canvas.timeline-row', {
            height: ROW_HEIGHT,
            role: 'img',
            'aria-label': `Phases of ${name} over time; see the table below for numbers`,
          }),
        )
      );
    canvases.set(name, canvas);
    return canvas;
  };
  const drawRows = () => {
    const span = state.timeline && spanOf(state.timeline);
    if (span === undefined || state.timeline === undefined) return;
    for (const worker of state.timeline.workers) drawRow(canvasOf(worker.name), worker, span, state.timeline.phases);
  };
  const resized = new ResizeObserver(drawRows);
  resized.observe(element);
  addEventListener('themechange', drawRows);
  render();
  return {
    element,
    /** @param {AbortSignal} signal */
    async refresh(signal) {
      try {
        Object.assign(state, { timeline: await request(`/api/v1/jobs/${jobId}/timeline?steps=${STEPS}`, { signal }), error: undefined });
      } catch (error) {
        if (signal.aborted) return;
        state.error = error;
      }
      render();
    },
    dispose() {
      resized.disconnect();
      removeEventListener('themechange', drawRows);
    },
  };
}

/** @param {{ timeline?: Timeline, error?: unknown }} state @param {(name: string) => HTMLCanvasElement} canvasOf */
function view({ timeline, error }, canvasOf) {
  const head = (/** @type {import('../dom.js').Child[]} */ ...end) =>
    h(
      'header.panel-head',
      {},
      h('h2', {}, 'Where the time goes'),
      h('span.muted.small', {}, `last ${STEPS} steps`),
      h('div.end', {}, ...end),
    );
  if (timeline === undefined)
    return [head(), error === undefined ? loadingNotice('the timeline') : errorNotice('Cannot show the timeline', errorText(error))];
  const workers = timeline.workers.filter(({ steps }) => steps.length > 0);
  if (workers.length === 0)
    return [
      head(),
      emptyNotice(
        'No steps to show',
        h(
          'p',
          {},
          "The timeline shows each worker's phases while it trains. The coordinator keeps them in memory only, so steps before its last " +
            'start are missing.',
        ),
      ),
    ];
  const { straggler, phases } = timeline;
  const span = spanOf(timeline);
  return [
    head(
      h(
        'ul.legend',
        {},
        ...phases.map((phase) =>
          h('li', { vars: { '--phase': `var(${PHASES[phase]?.token ?? '--phase-wait'})` } }, PHASES[phase]?.label ?? phase),
        ),
      ),
    ),
    straggler &&
      h(
        'p.straggler',
        {},
        h('span.badge', { 'data-tone': 'amber' }, 'straggler'),
        h(
          'span',
          {},
          h('strong', {}, straggler.name),
          ` keeps the others waiting for ${duration(straggler.seconds)} of a step, ${Math.round(straggler.share * 100)} % of it`,
        ),
      ),
    h(
      'div.timeline-rows',
      {},
      ...workers.map(({ name }) =>
        h(
          'div.timeline-worker',
          { key: name, class: straggler?.name === name ? 'timeline-worker is-straggler' : 'timeline-worker' },
          h('span.timeline-name', { title: name }, name),
          canvasOf(name),
        ),
      ),
      span &&
        h(
          'div.timeline-axis',
          { key: ' axis' },
          h('span', {}, clockTime(span.startMs)),
          h('span', {}, `${duration((span.endMs - span.startMs) / 1000)} in all`),
          h('span', {}, clockTime(span.endMs)),
        ),
    ),
    h(
      'div.scroll-x',
      { tabindex: 0, role: 'region', 'aria-label': 'Mean time of each phase in a step' },
      h(
        'table.table.compact',
        {},
        h('caption.visually-hidden', {}, 'Mean time of each phase in a step'),
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col' }, 'Mean of a step'),
            ...phases.map((phase) => h('th.num', { scope: 'col' }, PHASES[phase]?.label ?? phase)),
            h('th.num', { scope: 'col' }, 'in all'),
            h('th.num', { scope: 'col' }, 'last step'),
          ),
        ),
        h('tbody', {}, ...workers.map((worker) => meanRow(worker, phases, straggler?.name === worker.name))),
      ),
    ),
  ];
}

/** @param {Timeline['workers'][number]} worker @param {readonly string[]} phases @param {boolean} isStraggler */
function meanRow({ name, steps }, phases, isStraggler) {
  const means = phases.map((phase) => steps.reduce((sum, { durations }) => sum + (durations[phase] ?? 0), 0) / steps.length);
  return h(
    'tr',
    { key: name, class: isStraggler ? 'is-straggler' : '' },
    h('th', { scope: 'row' }, name),
    ...means.map((seconds) => h('td.num', {}, duration(seconds))),
    h('td.num', {}, duration(means.reduce((a, b) => a + b, 0))),
    h('td.num', {}, count(steps.at(-1)?.step)),
  );
}

/** The time that the rows cover. @param {Timeline} timeline */
function spanOf({ workers }) {
  const ends = workers.flatMap(({ steps }) =>
    steps.map(({ startMs, durations }) => [startMs, startMs + 1000 * Object.values(durations).reduce((a, b) => a + b, 0)]),
  );
  if (ends.length === 0) return undefined;
  return { startMs: Math.min(...ends.map(([start = 0]) => start)), endMs: Math.max(...ends.map(([, end = 0]) => end)) };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Timeline['workers'][number]} worker
 * @param {{ startMs: number, endMs: number }} span
 * @param {readonly string[]} phases
 */
function drawRow(canvas, { steps }, { startMs, endMs }, phases) {
  const [width, scale] = [canvas.clientWidth, devicePixelRatio];
  if (width === 0) return;
  canvas.width = width * scale;
  canvas.height = ROW_HEIGHT * scale;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  context.scale(scale, scale);
  context.clearRect(0, 0, width, ROW_HEIGHT);
  const perMs = width / Math.max(1, endMs - startMs);
  const colours = Object.fromEntries(phases.map((phase) => [phase, colour(PHASES[phase]?.token ?? '--phase-wait')]));
  for (const { startMs: stepStart, durations } of steps) {
    let at = stepStart;
    for (const phase of phases) {
      const length = (durations[phase] ?? 0) * 1000;
      context.fillStyle = colours[phase] ?? '';
      // What waits is drawn thin: a glance shows who works and who stands.
      const [top, height] = phase === 'wait' ? [ROW_HEIGHT / 2 - 2, 4] : [2, ROW_HEIGHT - 4];
      context.fillRect((at - startMs) * perMs, top, Math.max(0, length * perMs), height);
      at += length;
    }
    context.clearRect(Math.max(0, (at - startMs) * perMs - 1), 0, 1, ROW_HEIGHT);
  }
}

/** @param {number} timeMs */
function clockTime(timeMs) {
  return clock(timeMs).slice(0, 8);
}
