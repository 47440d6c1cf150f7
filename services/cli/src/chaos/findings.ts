import type { JobClient } from '@maestro/client';
import { isTerminal, type Job, type JobSpec, MaestroError } from '@maestro/protocol';
import { seconds } from './describeChaos.ts';
import { type JobRecord, recordJob } from './recordJob.ts';
import type { ChaosSummary } from './runChaos.ts';

/** One thing that must hold after a run of chaos. */
export interface Finding {
  readonly name: string;
  readonly isOk: boolean;
  readonly detail: string;
}

/** As long as a person may want to wait for a job, in milliseconds. */
const DAY_MS = 86_400_000;

/** Whether the job has neither failed nor been cancelled. */
export function goesOn({ state, message, progress }: Job): Finding {
  const isOk = state !== 'failed' && state !== 'cancelled';
  return { name: 'the job goes on', isOk, detail: `${state} at step ${progress?.step ?? 0}, ${message}` };
}

/** Whether a step was committed after each event, in time. */
export function isBounded({ unrecovered, recoveryMsMax }: ChaosSummary): Finding {
  return { name: 'recovery is bounded', isOk: unrecovered === 0, detail: `longest ${seconds(recoveryMsMax)}` };
}

/** Whether every sample of the job's committed steps was taken exactly once. */
export async function isAudited(client: JobClient, id: string): Promise<Finding> {
  const { isClean, images, skipped, missing, duplicates, mismatches, redoneSteps, problems } = await client.auditJob(id);
  const detail = isClean
    ? `${images + skipped} samples, each taken once; ${redoneSteps} steps were computed again`
    : `${missing} missing, ${duplicates} twice, ${mismatches} rows with other samples: ${problems[0] ?? ''}`;
  return { name: 'the audit is clean', isOk: isClean, detail };
}

/** Waits for the job to end, and compares the hash of its last checkpoint with the one that is expected. */
export async function hasHash(record: JobRecord, expected: string, of: string): Promise<Finding> {
  const hash = finalHash(await record.until('its end', ({ state }) => isTerminal(state), { timeoutMs: DAY_MS }));
  const isOk = hash === expected;
  return { name: 'the weights are the same', isOk, detail: isOk ? `${hash}, as ${of}` : `${hash}, but ${of} has ${expected}` };
}

/** Runs the same job undisturbed on one worker, and gives the hash that it ends with. */
export async function undisturbedHash(client: JobClient, coordinator: string, { specJson }: Job): Promise<string> {
  const spec = JSON.parse(specJson) as JobSpec;
  const { id } = await client.submitJob({
    spec: { ...spec, name: `${spec.name.slice(0, 80)} undisturbed`, resources: { ...spec.resources, minWorkers: 1, maxWorkers: 1 } },
  });
  const record = recordJob(coordinator, id);
  try {
    return finalHash(await record.until('its end', ({ state }) => isTerminal(state), { timeoutMs: DAY_MS }));
  } finally {
    await record.close();
  }
}

function finalHash({ id, state, message, checkpoints }: Job): string {
  const last = checkpoints.at(-1);
  if (state !== 'succeeded' || last === undefined)
    throw new MaestroError('conflict', `chaos: job ${id} ${state}, no hash to compare: ${message}`);
  return last.hash;
}
