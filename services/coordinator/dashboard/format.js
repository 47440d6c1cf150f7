// @ts-check

const significant = new Intl.NumberFormat('en', { maximumSignificantDigits: 4, minimumSignificantDigits: 4, useGrouping: false });
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const NONE = '–';

/** @param {number | undefined | null} value */
export function count(value) {
  return value === undefined || value === null || !Number.isFinite(value) ? NONE : whole.format(value);
}

/** A loss or an error: four digits that matter. @param {number | undefined | null} value */
export function measure(value) {
  if (value === undefined || value === null || !Number.isFinite(value)) return NONE;
  if (value === 0) return '0';
  return Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5 ? value.toExponential(2) : significant.format(value);
}

/** A number that a job tells, in the unit that its recipe gives. @param {{ unit: string }} metric @param {number | undefined} value */
export function metricText({ unit }, value) {
  if (unit === 'count') return count(value);
  if (unit === 'rate') return rate(value);
  if (unit === 'share') return value === undefined || !Number.isFinite(value) ? NONE : `${(100 * value).toFixed(2)} %`;
  return measure(value);
}

/**
 * The metric that a job is judged by, as a number and what that is; undefined before it has told one.
 * @param {import('./types/api.d.ts').Job} job
 * @returns {[string, string] | undefined}
 */
export function headline({ recipe, progress }) {
  const told = recipe.series.find(({ name }) => progress?.metrics[name] !== undefined);
  return told && [metricText(told, progress?.metrics[told.name]), told.shortLabel ?? told.label.toLowerCase()];
}

/** A learning rate, as papers write it. @param {number | undefined | null} value */
export function rate(value) {
  return value === undefined || value === null || !Number.isFinite(value) ? NONE : value === 0 ? '0' : value.toExponential(2);
}

/** Images per second and the like: three digits. @param {number | undefined | null} value */
export function speed(value) {
  if (value === undefined || value === null || !Number.isFinite(value) || value <= 0) return NONE;
  return value >= 100 ? whole.format(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** @param {number | undefined | null} seconds */
export function duration(seconds) {
  if (seconds === undefined || seconds === null || !Number.isFinite(seconds) || seconds < 0) return NONE;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** How long ago, in one unit. @param {string} time RFC 3339 @param {number} nowMs */
export function age(time, nowMs) {
  const seconds = Math.max(0, (nowMs - Date.parse(time)) / 1000);
  if (!Number.isFinite(seconds)) return NONE;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** A size in powers of 1000, as the command line shows it. @param {number | undefined | null} value */
export function bytes(value) {
  if (value === undefined || value === null || !Number.isFinite(value)) return NONE;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let power = 0;
  while (power < units.length - 1 && value / 1000 ** power >= (power === 0 ? 1000 : 999.95)) power++;
  const amount = value / 1000 ** power;
  return `${power === 0 ? Math.round(amount) : amount.toFixed(1)} ${units[power]}`;
}

/** Time of day to the millisecond, in the reader's zone. @param {number} timeMs */
export function clock(timeMs) {
  const date = new Date(timeMs);
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** Date and time in the reader's zone. @param {string} time RFC 3339 */
export function moment(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? '' : date.toLocaleString();
}

/** `1 worker`, `2 workers`. @param {number} n @param {string} noun */
export function plural(n, noun) {
  return `${whole.format(n)} ${noun}${n === 1 ? '' : 's'}`;
}
