// @ts-check
import { h, patch } from '../dom.js';
import { noticePage } from '../parts/notice.js';

/** @param {HTMLElement} root @returns {import('../types/api.d.ts').Page} */
export function notFoundPage(root) {
  patch(
    root,
    noticePage(
      'Page not found',
      h('p', {}, h('code', {}, location.pathname)),
      h('p', {}, h('a', { href: '/', 'data-link': true }, 'All jobs'), ', or ', h('a', { href: '/docs' }, 'the paths of the HTTP API')),
    ),
  );
  return { title: 'Not found', dispose: () => undefined };
}
