// @ts-check
import { errorText, request } from '../api.js';
import { h, keep, onceAFrame, patch } from '../dom.js';
import { count, measure } from '../format.js';
import { emptyNotice, errorNotice, loadingNotice } from '../parts/notice.js';

/** @typedef {import('../types/api.d.ts').Reconstruction} Reconstruction */

/**
 * Pictures of the same images through the run: original, masked, reconstructed. Shows the newest until an older one is chosen.
 * @param {string} jobId
 */
export function openReconstructions(jobId) {
  const element = keep(h('section.panel.reconstructions', { 'aria-label': 'Reconstructions' }));
  /** @type {{ items?: readonly Reconstruction[], chosen?: number | undefined, error?: unknown }} */
  const state = {};
  const render = onceAFrame(() => patch(element, ...view()));

  const view = () => {
    const { items, error } = state;
    const head = (/** @type {import('../dom.js').Child[]} */ ...end) =>
      h('header.panel-head', {}, h('h2', {}, 'Reconstructions'), h('span.muted.small', {}, words(items?.at(-1))), h('div.end', {}, ...end));
    if (items === undefined || items.length === 0) {
      const body =
        error !== undefined
          ? errorNotice('Cannot show the pictures', errorText(error))
          : items === undefined
            ? loadingNotice('pictures')
            : emptyNotice(
                'No picture yet',
                h('p', {}, 'The same images are drawn after each checkpoint; set the interval with checkpoint.everySteps in the job file.'),
              );
      return [head(), body];
    }
    const newest = items.length - 1;
    const index =
      state.chosen === undefined
        ? newest
        : Math.max(
            0,
            items.findIndex(({ step }) => step === state.chosen),
          );
    const item = items[index];
    if (item === undefined) return [head()];
    const choose = (/** @type {number} */ i) => {
      state.chosen = i >= newest ? undefined : items[i]?.step;
      render();
    };
    const better = item.meanFillError > 0 ? item.meanFillError / item.maskedError : 0;
    return [
      head(h('span.muted.small', {}, state.chosen === undefined ? 'newest' : `${newest - index} before the newest`)),
      h(
        'figure.picture',
        {},
        h(
          'a',
          { href: item.imageUrl, target: '_blank', rel: 'noopener', title: 'Open in full size' },
          h('img', {
            src: item.imageUrl,
            alt: `${item.areHeldOut ? 'Held-out images' : 'Images'} at step ${item.step}: original, masked, reconstructed`,
          }),
        ),
        h(
          'figcaption',
          {},
          h('span', {}, 'Error on hidden patches ', h('strong', {}, measure(item.maskedError))),
          h(
            'span.muted',
            {},
            `${measure(item.meanFillError)} by filling in the mean${better >= 1.05 ? `, ${better.toFixed(1)} × better` : ''}`,
          ),
        ),
      ),
      h(
        'label.step-slider',
        {},
        h('span', {}, 'Step ', h('strong', {}, count(item.step))),
        h('input', {
          type: 'range',
          min: 0,
          max: newest,
          step: 1,
          value: String(index),
          disabled: newest === 0,
          'aria-label': 'Step of the picture',
          'aria-valuetext': `step ${item.step}`,
          oninput: (/** @type {Event} */ event) => choose(Number(/** @type {HTMLInputElement} */ (event.target).value)),
        }),
      ),
    ];
  };

  render();
  return {
    element,
    /** @param {AbortSignal} signal */
    async refresh(signal) {
      try {
        const { items } = await request(`/api/v1/jobs/${jobId}/reconstructions?limit=200`, { signal });
        Object.assign(state, { items: [...items].sort((a, b) => a.step - b.step), error: undefined });
      } catch (error) {
        if (signal.aborted) return;
        state.error = error;
      }
      render();
    },
    dispose: () => undefined,
  };
}

/** What the images are. @param {Reconstruction | undefined} item */
const words = (item) => (item === undefined ? '' : item.areHeldOut ? 'held-out images' : 'images from the training set');
