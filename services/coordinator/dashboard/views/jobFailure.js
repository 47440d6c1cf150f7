// @ts-check
import { h } from '../dom.js';
import { icon } from '../parts/icon.js';
import { reasonParts } from '../parts/reason.js';

/** @typedef {import('../types/api.d.ts').Job} Job */

/** What a reason of the condition `Failed` means, and what to do then; commands stand between back quotes. */
const ADVICE = /** @type {Record<string, { title: string, todo: string }>} */ ({
  DataInvalid: {
    title: 'The data cannot be used',
    todo: 'Mend or remove what is named above; every worker must see the same files. `maestro dataset inspect PATH --hash` on each machine tells whether its copy is the same to the byte, and `--sample 1000000` tries to decode every image.',
  },
  NotFound: {
    title: 'Something that the job needs is not there',
    todo: 'The path must exist on every worker: put the files there, or correct the path in the job file.',
  },
  InvalidArgument: { title: 'The job file does not fit', todo: 'Change what is named above, and submit it again.' },
  NonFinite: {
    title: 'The loss is not a number any more',
    todo: 'Lower `schedule.baseLr` or lengthen `schedule.warmupEpochs`, and go on from a checkpoint of before.',
  },
  Storage: {
    title: 'A file could not be read or written',
    todo: 'Look at the free space and the permissions of the place that is named above; then go on from the newest checkpoint.',
  },
  CheckpointInvalid: {
    title: 'The checkpoint that it starts from cannot be used',
    todo: '`maestro checkpoint verify PATH` tells what is wrong with it. Start from an older one, or anew.',
  },
  CheckpointSearch: {
    title: 'Its checkpoints cannot be looked for',
    todo: 'Look whether the place of the checkpoints answers (a disk, a mount, an S3 server), then go on from the newest one.',
  },
  Conflict: {
    title: 'What it should go on from does not fit',
    todo: 'Start anew, or from a checkpoint of the same model and data.',
  },
  DeviceUnavailable: {
    title: 'No device of the kind that it asks for',
    todo: 'Start a worker that has one (`maestro doctor` tells what a machine has), or change `resources.device`.',
  },
  Internal: { title: 'A bug of maestro', todo: 'Keep the log of the job and report it; going on from the newest checkpoint may work.' },
  StateMismatch: {
    title: 'Workers came to different weights',
    todo: 'One of them computes otherwise than the others: compare their versions and devices on the page Workers, and memory errors of their machines.',
  },
});
const OTHER = { title: 'The job gave up', todo: 'The log tells what led to it.' };

/** What stands first on the page of a job that has failed: the error, what to do, and where to go from here. @param {Job} job */
export function jobFailure({ id, conditions, events, message, progress }) {
  const { title, todo } = ADVICE[conditions.find(({ type }) => type === 'Failed')?.reason ?? ''] ?? OTHER;
  const hasCheckpoint = events.some(({ type }) => type === 'checkpoint');
  return h(
    'section.failure',
    { 'aria-label': 'Why the job failed' },
    h('h2', {}, icon('warn'), title),
    h('p.failure-message', {}, ...reasonParts(message)),
    h('p.failure-todo', {}, h('strong', {}, 'What to do: '), ...withCode(todo)),
    h(
      'div.buttons',
      {},
      h('a.button', { href: `/jobs/${id}/logs?level=warn`, 'data-link': true }, 'Warnings and errors in the log'),
      h('a.button.needs-submit', { href: `/submit?from=${id}`, 'data-link': true }, 'Correct and submit again'),
      hasCheckpoint &&
        progress !== undefined &&
        h('a.button.needs-submit', { href: `/submit?from=${id}&resume=true`, 'data-link': true }, 'Go on from the newest checkpoint'),
    ),
  );
}

/** Text in which what stands between back quotes is code. @param {string} text */
function withCode(text) {
  return text.split('`').map((part, i) => (i % 2 === 1 ? h('code', {}, part) : part));
}
