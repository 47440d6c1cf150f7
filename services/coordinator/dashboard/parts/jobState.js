// @ts-check
import { h } from '../dom.js';

/** @typedef {import('../types/api.d.ts').Job} Job */

const TONES = {
  queued: 'grey',
  starting: 'blue',
  running: 'blue',
  pausing: 'amber',
  paused: 'amber',
  succeeded: 'green',
  failed: 'red',
  cancelled: 'grey',
};

/** Whether a job has ended; such a job never changes. @param {Job['state']} state */
export function hasEnded(state) {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** The state of a job, in its colour. @param {Job['state']} state */
export function stateBadge(state) {
  return h('span.badge', { 'data-tone': TONES[state] }, state);
}

/** A bar of how far a job is, with the numbers for readers of the screen. @param {Job} job */
export function progressBar({ state, progress, name }) {
  const share = progress === undefined || progress.totalSteps === 0 ? 0 : progress.step / progress.totalSteps;
  const tone =
    state === 'succeeded' ? 'green' : state === 'failed' ? 'red' : state === 'cancelled' || state === 'paused' ? 'grey' : 'accent';
  return h(
    'div.progress',
    {
      role: 'progressbar',
      'data-tone': tone,
      'aria-label': `Progress of ${name}`,
      'aria-valuemin': 0,
      'aria-valuemax': progress?.totalSteps ?? 0,
      'aria-valuenow': progress?.step ?? 0,
      vars: { '--share': share.toFixed(4) },
    },
    h('i'),
  );
}
