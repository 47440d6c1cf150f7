// @ts-check
import { h } from '../dom.js';
import { clock, moment } from '../format.js';

/** @typedef {import('../types/api.d.ts').LogLine} LogLine */

/** Fields that have a place of their own, or say nothing to a reader. */
const KNOWN = new Set(['cursor', 'time', 'level', 'worker', 'role', 'job', 'msg', 'pid', 'hostname', 'host', 'v']);

/** One line: time, level, who, what, and its other fields. @param {LogLine} line @param {RegExp | undefined} pattern */
export function lineElement(line, pattern) {
  const { time, level, worker, role, msg } = line;
  const fields = Object.entries(line)
    .filter(([key]) => !KNOWN.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
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
      fields !== '' && h('span.log-fields', {}, ' ', ...marked(fields, pattern)),
    ),
  );
}

/** The pattern that somebody searches for; undefined when there is none, or it is not one of JavaScript's (the server knows RE2). @param {string} search */
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
