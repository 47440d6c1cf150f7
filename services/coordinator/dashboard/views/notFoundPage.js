// @ts-check
import { h, patch } from '../dom.js';
import { emptyNotice } from '../parts/notice.js';

/** @param {HTMLElement} root @returns {import('../types/api.d.ts').Page} */
export function notFoundPage(root) {
  patch(root, emptyNotice('There is no page at this address', h('p', {}, h('a', { href: '/', 'data-link': true }, 'All jobs'))));
  return { title: 'Not found', dispose: () => undefined };
}
