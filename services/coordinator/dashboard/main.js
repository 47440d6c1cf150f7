// @ts-check
import { patch } from './dom.js';
import { matchPlace, onNavigate } from './router.js';
import { mountShell } from './shell.js';
import { jobPage } from './views/jobPage.js';
import { jobsPage } from './views/jobsPage.js';
import { loginPage } from './views/loginPage.js';
import { notFoundPage } from './views/notFoundPage.js';
import { submitPage } from './views/submitPage.js';
import { workersPage } from './views/workersPage.js';

/** @typedef {import('./types/api.d.ts').Page} Page */

/** @type {readonly (readonly [pattern: string, open: (root: HTMLElement, place: import('./router.js').Place) => Page])[]} */
const ROUTES = [
  ['', jobsPage],
  ['/jobs/:id', jobPage],
  ['/jobs/:id/:tab', jobPage],
  ['/workers', workersPage],
  ['/submit', submitPage],
  ['/login', loginPage],
];

const main = /** @type {HTMLElement} */ (document.getElementById('main'));
const shell = mountShell();
/** @type {Page | undefined} */
let page;
/** @type {string | undefined} */
let pageKey;

/** Shows what the address bar says; a page of the same route and job takes its new address itself. */
function show() {
  for (const [pattern, open] of [...ROUTES, /** @type {const} */ (['*', notFoundPage])]) {
    const place = pattern === '*' ? { path: location.pathname, params: {}, query: new URLSearchParams() } : matchPlace(pattern);
    if (place === undefined) continue;
    const key = `${open.name}:${place.params['id'] ?? ''}`;
    shell.update();
    if (key === pageKey) {
      dispatchEvent(new Event('placechange'));
      return;
    }
    page?.dispose();
    const isFirst = pageKey === undefined;
    pageKey = key;
    patch(main);
    page = open(main, place);
    document.title = `${page.title} · maestro`;
    scrollTo(0, 0);
    // Who navigates by keyboard or ear is taken to the new page; the first one begins at the top.
    if (!isFirst) main.focus({ preventScroll: true });
    return;
  }
}

onNavigate(show);
show();
