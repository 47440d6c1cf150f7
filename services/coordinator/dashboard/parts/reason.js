// @ts-check
import { h } from '../dom.js';

/** A job as reasons name it (`jobLabel` of the coordinator). */
const NAMED_JOB = /"([^"]*)" \((job-[0-9a-z]+)\)/g;

/** A reason in words, in which other jobs are links by their names. @param {string} text @returns {(string | HTMLElement)[]} */
export function reasonParts(text) {
  /** @type {(string | HTMLElement)[]} */
  const parts = [];
  let end = 0;
  for (const { 0: found, 1: name = '', 2: id, index } of text.matchAll(NAMED_JOB)) {
    parts.push(text.slice(end, index), h('a', { href: `/jobs/${id}`, 'data-link': true, title: id }, name));
    end = index + found.length;
  }
  return [...parts, text.slice(end)];
}

/** Long folders say little in a list; whoever shows this has the whole text in a title. @param {string} text */
export function withShortPaths(text) {
  return text.replace(/(?:\/[^\s/]+){3,}\/([^\s/]+)/g, '…/$1');
}
