// @ts-check
import { h } from '../dom.js';
import { icon } from '../parts/icon.js';
import { reasonParts } from '../parts/reason.js';

/** @typedef {import('../types/api.d.ts').Job} Job */

/** What a reason of the condition `Failed` means, and what to do then; commands stand between back quotes. */
const ADVICE = /** @type {Record<string, { title: string, todo: string }>} */ ({
  DataInvalid: {
    title: 'The data cannot be used',
    todo:
      'Repair or remove the files named above; every worker must see the same files. `maestro dataset inspect PATH --hash` on each ' +
      'machine shows whether the copies are identical, and `--sample 1000000` tries to decode every image.',
  },
  NotFound: {
    title: 'Something that the job needs is missing',
    todo: 'The path must exist on every worker: put the files there, or correct the path in the job file.',
  },
  InvalidArgument: {
    title: 'The job file or its recipe has a mistake',
    todo: "Correct the keys named above, or the recipe's module, and submit it again. Processes that have loaded a module are started again when it changes.",
  },
  NonFinite: {
    title: 'The loss is not a number',
    todo: 'Lower `schedule.baseLr` or lengthen `schedule.warmupEpochs`, and continue from an earlier checkpoint.',
  },
  Storage: {
    title: 'A file could not be read or written',
    todo: 'Check the free space and the permissions of the location named above, then continue from the newest checkpoint.',
  },
  CheckpointInvalid: {
    title: 'The checkpoint to start from is unusable',
    todo: '`maestro checkpoint verify PATH` shows what is wrong with it. Start from an older one, or from the beginning.',
  },
  CheckpointSearch: {
    title: 'Its checkpoints cannot be listed',
    todo: 'Check that the checkpoint location responds (a disk, a mount, an S3 server), then continue from the newest checkpoint.',
  },
  Conflict: {
    title: 'The checkpoint to continue from does not match',
    todo: 'Start from the beginning, or from a checkpoint of the same model and data.',
  },
  DeviceUnavailable: {
    title: 'The requested device is not available',
    todo: 'Start a worker that has one (`maestro doctor` shows what a machine has), or change `resources.device`.',
  },
  Internal: { title: 'A bug of maestro', todo: "Keep the job's log and report it; continuing from the newest checkpoint may work." },
  StateMismatch: {
    title: 'Workers computed different weights',
    todo: 'One of them computes differently: compare versions and devices on the page Workers, and check the machines for memory errors.',
  },
});
const OTHER = { title: 'The job gave up', todo: 'The log shows what led to it.' };

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
        h('a.button.needs-submit', { href: `/submit?from=${id}&resume=true`, 'data-link': true }, 'Continue from the newest checkpoint'),
    ),
  );
}

/** Text in which what stands between back quotes is code. @param {string} text */
function withCode(text) {
  return text.split('`').map((part, i) => (i % 2 === 1 ? h('code', {}, part) : part));
}
