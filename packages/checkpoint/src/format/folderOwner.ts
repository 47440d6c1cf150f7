import { lastName, parentOf } from '@maestro/storage';

const JOB_ID = /^job-[0-9a-z]{26}$/;

/**
 * The job in whose folder a checkpoint lies, by its place: `.../JOB/checkpoints/step-N`, `.../JOB/step-N`; undefined anywhere else. The same
 * of the folder that holds a job's checkpoints.
 */
export function folderOwner(place: string): string | undefined {
  let at = place;
  for (let level = 0; level < 3; level++) {
    const name = lastName(at);
    if (JOB_ID.test(name)) return name;
    const isInside = level === 0 ? /^(step-\d+|checkpoints)$/.test(name) : name === 'checkpoints';
    if (!isInside) return undefined;
    at = parentOf(at);
  }
  return undefined;
}
