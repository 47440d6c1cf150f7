// @ts-check

/**
 * @typedef {{ readonly path: string, readonly params: Readonly<Record<string, string>>, readonly query: URLSearchParams }} Place
 */

/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * Where the address bar points, matched against `pattern` (`/jobs/:id/:tab`); undefined when it does not fit.
 * @param {string} pattern
 * @returns {Place | undefined}
 */
export function matchPlace(pattern) {
  const [wanted, found] = [pattern.split('/'), location.pathname.replace(/\/$/, '').split('/')];
  if (wanted.length !== found.length) return undefined;
  /** @type {Record<string, string>} */
  const params = {};
  for (const [i, part] of wanted.entries()) {
    if (part.startsWith(':')) params[part.slice(1)] = decodeURIComponent(found[i] ?? '');
    else if (part !== found[i]) return undefined;
  }
  return { path: location.pathname, params, query: new URLSearchParams(location.search) };
}

/**
 * Goes to an address of the dashboard without a reload.
 * @param {string} address
 */
export function navigate(address) {
  history.pushState(null, '', address);
  for (const listener of listeners) listener();
}

/**
 * Puts another path in the address bar for the same page. No new entry in the history.
 * @param {string} path
 */
export function replacePlace(path) {
  history.replaceState(null, '', `${path}${location.search}`);
}

/**
 * Keeps what is looked at (filters, a tab) in the address bar, so that it can be sent to somebody. No new entry in the history.
 * @param {Record<string, string | undefined>} values undefined and '' leave a key out
 */
export function setQuery(values) {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined || value === '') query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  history.replaceState(null, '', `${location.pathname}${text === '' ? '' : `?${text}`}`);
}

/**
 * Calls `listener` whenever the address changes, and takes over clicks on links within the dashboard.
 * @param {() => void} listener
 */
export function onNavigate(listener) {
  listeners.add(listener);
  addEventListener('popstate', listener);
  addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (link === null || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (link.origin !== location.origin || link.target !== '' || link.hasAttribute('download') || !link.hasAttribute('data-link')) return;
    event.preventDefault();
    if (link.href !== location.href) navigate(link.pathname + link.search);
  });
}
