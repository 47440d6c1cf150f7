// @ts-check
import { h } from '../dom.js';
import { clock, moment } from '../format.js';
import { withShortPaths } from '../parts/reason.js';

/** @typedef {import('../types/api.d.ts').LogLine} LogLine */

/** Fields that have a place of their own, or say nothing to a reader. */
const KNOWN = new Set(['cursor', 'time', 'level', 'worker', 'role', 'job', 'msg', 'pid', 'hostname', 'host', 'v']);

/** One line: time, level, who, what, and its other fields. @param {LogLine} line @param {RegExp | undefined} pattern */
export function lineElement(line, pattern) {
  const { time, level, worker, role, msg } = line;
  const others = Object.entries(line).filter(([key]) => !KNOWN.has(key));
  // What was found must be there to be seen.
  const textOf = pattern === undefined ? shortened : whole;
  const fields = others.map(([key, value]) => `${key}=${textOf(value)}`).join(' ');
  return h(
    'li.log-line',
    { 'data-level': level },
    h('time.log-time', { datetime: time, title: moment(time) }, clock(Date.parse(time))),
    h('span.log-level', {}, level),
    h('span.log-source', { title: worker ?? role ?? '' }, worker ?? role ?? ''),
    h(
      'span.log-text',
      {},
      ...marked(String(msg ?? ''), pattern),
      fields !== '' && h('span.log-fields', { title: JSON.stringify(Object.fromEntries(others)) }, ' ', ...marked(fields, pattern)),
    ),
  );
}

/** A field's value. @param {unknown} value */
function whole(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * A field's value in short: a fraction with the digits that matter, a long path by its end; the title has all of it.
 * @param {unknown} value
 */
function shortened(value) {
  const rounded = typeof value === 'object' && value !== null ? JSON.parse(JSON.stringify(value, rounding)) : rounding('', value);
  return withShortPaths(whole(rounded));
}

/** Rounds fractions, in an object too. @param {string} _key @param {unknown} value */
const rounding = (_key, value) => (typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value);

/**
 * The pattern that somebody searches for; undefined when there is none, or it is not one of JavaScript's (the server knows RE2).
 * @param {string} search
 */
export function searchPattern(search) {
  if (search === '') return undefined;
  try {
    return new RegExp(search, 'g');
  } catch {
    return undefined;
  }
}

/** The text with what was found set off. @param {string} text @param {RegExp | undefined} pattern */
function marked(text, pattern) {
  if (pattern === undefined) return [text];
  /** @type {(string | HTMLElement)[]} */
  const parts = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(pattern)) {
    if (found === '') continue;
    parts.push(text.slice(end, index), h('mark', {}, found));
    end = index + found.length;
  }
  return [...parts, text.slice(end)];
}
