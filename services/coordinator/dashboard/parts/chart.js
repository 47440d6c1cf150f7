// @ts-check
import { h, keep, patch } from '../dom.js';
import { count } from '../format.js';
import { colour } from '../theme.js';
import uPlot from '../uplot/uPlot.esm.js';

/**
 * @typedef {{ label: string, colour: string, isFaint?: boolean }} Line
 * @typedef {{ step: number, text: string, isLoss: boolean }} Marker
 * @typedef {object} ChartOptions
 * @property {string} title
 * @property {string} unit what the vertical axis counts
 * @property {readonly Line[]} lines
 * @property {(value: number) => string} format
 * @property {(value: number) => string} [tick] how the axis writes a value, if not as a plain number
 * @property {boolean} [startsAtZero] for quantities whose zero means something
 * @property {boolean} [hasLogScale] offers a logarithmic axis
 * @property {number} [height]
 */

/** Charts of one page move their cursors together. */
const SYNC_KEY = 'steps';
const AXIS_FONT = '11px system-ui, "DejaVu Sans", sans-serif';

/**
 * A line chart over steps, in a panel: values at the cursor in its head, markers where the view changed. The element lives on by itself.
 * @param {ChartOptions} options
 */
export function createChart({ title, unit, lines, format, startsAtZero = false, hasLogScale = false, height = 200, tick = plainTick }) {
  const plotArea = keep(h('div.chart-plot', { role: 'img' }));
  const readout = keep(h('div.chart-readout'));
  const controls = keep(h('div.chart-controls'));
  const element = keep(
    h(
      'section.panel.chart',
      { 'aria-label': title },
      h('header.panel-head', {}, h('h2', {}, title), h('span.muted.small', {}, unit), h('div.end', {}, readout, controls)),
      plotArea,
    ),
  );
  /** @type {uPlot.AlignedData} */
  let data = [[], ...lines.map(() => [])];
  /** @type {readonly Marker[]} */
  let markers = [];
  let isLog = false;
  /** @type {uPlot | undefined} */
  let plot;
  /** Width that the plot was drawn at. */
  let width = 0;

  const showReadout = (/** @type {number | null | undefined} */ index) => {
    const last = data[0].length - 1;
    const at = index ?? last;
    if (last < 0) return patch(readout);
    const marker =
      index === null || index === undefined
        ? undefined
        : markers.findLast(({ step }) => Math.abs(step - (data[0][at] ?? 0)) <= stepsPerPixel() * 4);
    patch(
      readout,
      marker && h('span.small', { class: marker.isLoss ? 'marker-text is-loss' : 'marker-text' }, marker.text),
      h('span.muted.small', {}, `step ${count(data[0][at])}`),
      // The first line is what was measured; a mean beside it is there to guide the eye.
      ...lines.slice(0, 1).map(({ colour: token }, i) => {
        const value = data[i + 1]?.[at];
        return h(
          'span.readout',
          { vars: { '--line': `var(${token})` } },
          h('strong', {}, value === null || value === undefined ? '–' : format(value)),
        );
      }),
    );
  };
  const stepsPerPixel = () => ((data[0].at(-1) ?? 1) - (data[0][0] ?? 0)) / Math.max(1, width);

  const drawMarkers = (/** @type {uPlot} */ u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.setLineDash([3, 3]);
    for (const { step, isLoss } of markers) {
      const x = Math.round(u.valToPos(step, 'x', true)) + 0.5;
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = colour(isLoss ? '--red' : '--control');
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };

  const draw = () => {
    plot?.destroy();
    width = plotArea.clientWidth;
    if (width === 0 || data[0].length === 0) {
      plot = undefined;
      if (data[0].length === 0)
        patch(plotArea, h('p.chart-empty', {}, 'No data yet: the first point appears with the first committed step.'));
      return;
    }
    patch(plotArea);
    const axis = { stroke: colour('--text-3'), font: AXIS_FONT, grid: { stroke: colour('--grid'), width: 1 }, ticks: { show: false } };
    plot = new uPlot(
      {
        width,
        height,
        padding: [10, 18, 0, 4],
        legend: { show: false },
        cursor: { sync: { key: SYNC_KEY }, points: { size: 7 }, y: false, drag: { x: true, y: false } },
        scales: {
          x: { time: false },
          y: isLog ? { distr: 3 } : startsAtZero ? { range: (_, __, max) => [0, Math.max(max * 1.08, 1e-12)] } : { range: spread },
        },
        axes: [
          {
            ...axis,
            size: 22,
            label: 'step',
            labelSize: 16,
            labelGap: -2,
            labelFont: AXIS_FONT,
            values: (_, splits) => splits.map((step) => (Number.isInteger(step) ? count(step) : '')),
          },
          { ...axis, size: 58, values: (_, splits) => splits.map((value) => (value === null || value === undefined ? '' : tick(value))) },
        ],
        series: [
          {},
          ...lines.map(({ label, colour: token, isFaint = false }) => ({
            label,
            stroke: colour(token),
            width: isFaint ? 1 : 1.6,
            alpha: isFaint ? 0.35 : 1,
            points: { show: data[0].length < 3 },
          })),
        ],
        hooks: { draw: [drawMarkers], setCursor: [(u) => showReadout(u.cursor.idx)] },
      },
      data,
      plotArea,
    );
    describe();
  };

  /** What the picture shows, in words. */
  const describe = () => {
    const [first, last] = [data[1]?.[0], data[1]?.at(-1)];
    const text =
      first === null || first === undefined || last === null || last === undefined
        ? 'no points yet'
        : `from ${format(first)} at step ${data[0][0]} to ${format(last)} at step ${data[0].at(-1)}`;
    plotArea.setAttribute('aria-label', `${title}: ${text}`);
  };

  const drawControls = () =>
    patch(
      controls,
      hasLogScale &&
        h(
          'button.button.small',
          {
            type: 'button',
            'aria-pressed': String(isLog),
            'aria-label': `log axis of ${title}`,
            onclick: () => {
              isLog = !isLog;
              drawControls();
              draw();
            },
          },
          'log',
        ),
    );

  const resized = new ResizeObserver(() => {
    if (plotArea.clientWidth === width) return;
    if (plot === undefined) return draw();
    width = plotArea.clientWidth;
    plot.setSize({ width, height });
  });
  resized.observe(plotArea);
  addEventListener('themechange', draw);
  drawControls();

  return {
    element,
    /** @param {uPlot.AlignedData} next steps, then one list per line @param {readonly Marker[]} [nextMarkers] */
    setData(next, nextMarkers = markers) {
      const isFirst = plot === undefined || data[0].length < 3 !== next[0].length < 3;
      data = next;
      markers = nextMarkers;
      if (isFirst) draw();
      else plot?.setData(data);
      describe();
      showReadout(plot?.cursor.idx);
    },
    dispose() {
      resized.disconnect();
      removeEventListener('themechange', draw);
      plot?.destroy();
    },
  };
}

/** The values with a little air, also where they are all the same. @type {uPlot.Range.Function} */
function spread(_, min, max) {
  if (min === null || max === null) return [0, 1];
  const air = (max - min || Math.abs(max) || 1) * 0.08;
  return [min - air, max + air];
}

/** A value on an axis: no digit more than it needs. @param {number} value */
function plainTick(value) {
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential() : String(Number(value.toPrecision(6)));
}
