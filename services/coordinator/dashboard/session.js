// @ts-check
import { request } from './api.js';

/** @typedef {{ readonly isOpen: boolean, readonly name?: string, readonly role?: string }} Session */

/** Finds out who is signed in here, if anybody has to. */
export async function readSession() {
  showSession(/** @type {Session} */ (await request('/api/v1/session')));
}

/** Signs in by a token. @param {string} token */
export async function signIn(token) {
  showSession(/** @type {Session} */ (await request('/api/v1/session', { method: 'POST', body: { token } })));
}

/** Ends what {@link signIn} began. */
export async function signOut() {
  await request('/api/v1/session', { method: 'DELETE' });
  showSession({ isOpen: false });
}

/** Whether somebody is signed in, who can sign out. */
export function isSignedIn() {
  return document.documentElement.dataset['session'] === 'cookie';
}

/**
 * What a role may not do is not offered (styles/controls.css): `needs-submit` and `needs-admin` mark what it takes.
 * @param {Session} session
 */
function showSession({ isOpen, name, role }) {
  const { dataset } = document.documentElement;
  delete dataset['session'];
  delete dataset['role'];
  if (isOpen || name === undefined) return;
  dataset['session'] = 'cookie';
  if (role !== undefined) dataset['role'] = role;
}
