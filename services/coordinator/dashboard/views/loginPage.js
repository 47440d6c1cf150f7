// @ts-check
import { ApiError, errorText } from '../api.js';
import { h, patch } from '../dom.js';
import { navigate } from '../router.js';
import { signIn } from '../session.js';

/** Asks for a token, which becomes a session cookie. @param {HTMLElement} root @returns {import('../types/api.d.ts').Page} */
export function loginPage(root) {
  const token = /** @type {HTMLInputElement} */ (
    h('input', { id: 'token', type: 'password', autocomplete: 'current-password', required: true, 'aria-describedby': 'token-error' })
  );
  const error = h('p.field-error', { id: 'token-error', role: 'alert' });
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    error.textContent = '';
    try {
      await signIn(token.value);
      navigate(safeNext(new URLSearchParams(location.search).get('next')));
    } catch (failure) {
      error.textContent =
        failure instanceof ApiError && failure.status === 401
          ? 'This token is not known. Ask the administrator of the coordinator for one.'
          : errorText(failure);
      token.select();
    }
  };
  patch(
    root,
    h(
      'form.panel.login',
      { onsubmit: submit },
      h('h1', {}, 'Sign in'),
      h('p.muted', {}, 'This coordinator requires a token. Tokens are set with MAESTRO_TOKENS on the coordinator.'),
      h('label', { for: 'token' }, 'Token'),
      token,
      error,
      h('button.button.primary', { type: 'submit' }, 'Sign in'),
    ),
  );
  token.focus();
  return { title: 'Sign in', dispose: () => undefined };
}

/** Only addresses of this dashboard, so that a link cannot send somebody elsewhere after the login. @param {string | null} next */
function safeNext(next) {
  if (next === null) return '/';
  const target = new URL(next, location.origin);
  return target.origin === location.origin && target.pathname !== '/login' ? target.pathname + target.search : '/';
}
