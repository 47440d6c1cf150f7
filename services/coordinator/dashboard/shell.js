// @ts-check
import { connectionState } from './connection.js';
import { h, patch } from './dom.js';
import { duration } from './format.js';
import { icon } from './parts/icon.js';
import { navigate } from './router.js';
import { isSignedIn, readSession, signOut } from './session.js';
import { chooseTheme, themeChoice } from './theme.js';

const LINKS = /** @type {const} */ ([
  ['/', 'Jobs'],
  ['/workers', 'Workers'],
  ['/submit', 'Submit'],
]);
const THEMES = /** @type {const} */ (['system', 'light', 'dark']);
const CONNECTION_TEXT = { connecting: 'Connecting', live: 'Live', away: 'Offline' };

/** Draws the bar on top and the banner below it, and keeps them true. */
export function mountShell() {
  const top = /** @type {HTMLElement} */ (document.getElementById('top'));
  const banner = /** @type {HTMLElement} */ (document.getElementById('banner'));

  const update = () => {
    const { state, sinceMs } = connectionState();
    const path = location.pathname;
    const isHere = (/** @type {string} */ href) => (href === '/' ? path === '/' || path.startsWith('/jobs/') : path.startsWith(href));
    const choice = themeChoice();
    const next = THEMES[(THEMES.indexOf(choice) + 1) % THEMES.length] ?? 'system';
    patch(
      top,
      h(
        'div.top-bar',
        {},
        h(
          'a.brand',
          { href: '/', 'data-link': true, 'aria-label': 'maestro: jobs' },
          h('img', { src: '/assets/logo.svg', alt: '' }),
          h('span', {}, 'maestro'),
        ),
        h(
          'nav.nav',
          { 'aria-label': 'Main' },
          ...LINKS.map(([href, text]) =>
            h(
              'a',
              { href, 'data-link': true, 'aria-current': isHere(href) && 'page', class: href === '/submit' ? 'needs-submit' : '' },
              text,
            ),
          ),
        ),
        h(
          'div.top-end',
          {},
          h(
            'span.connection',
            { 'data-state': state, title: `Coordinator: ${CONNECTION_TEXT[state]}` },
            h('span', {}, CONNECTION_TEXT[state]),
          ),
          h('a.button.bare.small', { href: '/docs', class: 'button bare small wide-only' }, 'API'),
          h(
            'button.button.bare.icon',
            {
              type: 'button',
              'aria-label': `Colours: ${choice}. Change to ${next}`,
              title: `Colours: ${choice}`,
              onclick: () => {
                chooseTheme(next);
                update();
              },
            },
            icon(choice === 'system' ? 'auto' : choice === 'light' ? 'sun' : 'moon'),
          ),
          isSignedIn() && h('button.button.bare.small', { type: 'button', onclick: leave }, 'Sign out'),
        ),
      ),
    );
    patch(
      banner,
      state === 'away' &&
        h(
          'p',
          {},
          'The coordinator has not answered for ',
          duration((Date.now() - sinceMs) / 1000),
          '. Training continues without it, and this page keeps retrying. If it does not come back, see ',
          h('code', {}, 'maestro up'),
          ', and see ',
          h('code', {}, 'logs/coordinator.log'),
          ' in the data folder.',
        ),
    );
  };

  addEventListener('connectionchange', update);
  setInterval(() => connectionState().state === 'away' && update(), 1000);
  update();
  readSession().then(update, () => undefined); // a coordinator that is away is told of by the banner
  return { update };
}

async function leave() {
  await signOut();
  navigate('/login');
}
