// @ts-check
import { h } from '../dom.js';

/** @typedef {import('../dom.js').Child} Child */

/**
 * What stands where there is nothing to show: what is missing, and what to do.
 * @param {string} title @param {...(Child | Child[])} what
 */
export function emptyNotice(title, ...what) {
  return h('div.notice', {}, h('p.notice-title', {}, title), h('div', {}, ...what));
}

/**
 * A page that has nothing but a notice, whose title is then the page's.
 * @param {string} title @param {...(Child | Child[])} what
 */
export function noticePage(title, ...what) {
  return h('div.notice', {}, h('h1.notice-title', {}, title), h('div', {}, ...what));
}

/**
 * What stands where something could not be had.
 * @param {string} title @param {unknown} error @param {(() => void)} [retry]
 */
export function errorNotice(title, error, retry) {
  const text = error instanceof Error ? error.message : String(error);
  return h(
    'div.notice.is-error',
    { role: 'alert' },
    h('p.notice-title', {}, title),
    h('p', {}, text),
    retry && h('button.button.small', { type: 'button', onclick: retry }, 'Try again'),
  );
}

/** What stands there while it is asked for. @param {string} what */
export function loadingNotice(what) {
  return h('div.notice.is-loading', {}, h('p', {}, `Loading ${what}…`));
}

/**
 * A panel with a head and a body.
 * @param {string} title
 * @param {{ id?: string, end?: Child | Child[], note?: Child, class?: string }} options
 * @param {...(Child | Child[])} body
 */
export function panel(title, { id, end, note, class: className = '' }, ...body) {
  return h(
    `section.panel`,
    { class: `panel ${className}`.trim(), key: title, 'aria-label': title, id },
    h(
      'header.panel-head',
      {},
      h('h2', {}, title),
      note ? h('span.muted.small', {}, note) : null,
      end ? h('div.end', {}, ...[end].flat()) : null,
    ),
    h('div.panel-body', {}, ...body),
  );
}
