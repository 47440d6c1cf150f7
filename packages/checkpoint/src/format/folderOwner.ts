import { lastName, parentOf } from '@maestro/storage';

const JOB_ID = /^job-[0-9a-z]{26}$/;

/**
 * Returns the job whose folder contains a checkpoint, by its path: `.../JOB/checkpoints/step-N`, `.../JOB/step-N`; undefined anywhere else.
 * Also works for the folder of a job's checkpoints.
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
