// @ts-check
import { errorText } from '../api.js';
import { h } from '../dom.js';

/**
 * Asks before something is done. A modal dialog of the browser: the focus stays in it, Escape leaves it, and goes back after.
 * @param {{ title: string, text: string, confirm: string, isDangerous?: boolean, act: () => Promise<void> }} question `act` runs while the
 *   dialog is open; what it throws is shown in it
 */
export function ask({ title, text, confirm, isDangerous = false, act }) {
  const error = h('p.field-error', { role: 'alert' });
  const yes = /** @type {HTMLButtonElement} */ (
    h('button.button', { type: 'submit', class: isDangerous ? 'button danger solid' : 'button primary' }, confirm)
  );
  const dialog = /** @type {HTMLDialogElement} */ (
    h(
      'dialog',
      { 'aria-labelledby': 'dialog-title', 'aria-describedby': 'dialog-text' },
      h(
        'form',
        {
          method: 'dialog',
          onsubmit: async (/** @type {SubmitEvent} */ event) => {
            event.preventDefault();
            yes.disabled = true;
            try {
              await act();
              dialog.close();
            } catch (failure) {
              error.textContent = errorText(failure);
              yes.disabled = false;
            }
          },
        },
        h('h2', { id: 'dialog-title' }, title),
        h('p', { id: 'dialog-text' }, text),
        error,
        h('div.buttons', {}, h('button.button', { type: 'button', autofocus: true, onclick: () => dialog.close() }, 'Keep as it is'), yes),
      ),
    )
  );
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

const TOAST_MS = 6000;

/** Says for a few seconds what was done. @param {string} text @param {{ isError?: boolean }} [options] */
export function toast(text, { isError = false } = {}) {
  const element = h('div.toast', { class: isError ? 'toast is-error' : 'toast' }, text);
  document.getElementById('toasts')?.append(element);
  setTimeout(() => element.remove(), TOAST_MS);
}
