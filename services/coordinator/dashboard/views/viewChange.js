// @ts-check

/** @typedef {import('../types/api.d.ts').JobViewItem} JobViewItem */

/**
 * Who joined and who left between two views of a job.
 * @param {JobViewItem | undefined} before
 * @param {JobViewItem} after
 */
export function viewChange(before, after) {
  const names = (/** @type {JobViewItem | undefined} */ view) => view?.members.map(({ name }) => name) ?? [];
  const [old, now] = [names(before), names(after)];
  return { joined: now.filter((name) => !old.includes(name)), left: old.filter((name) => !now.includes(name)) };
}
