import type { JobClient } from '@maestro/client';
import { isTerminal, type Job, type JobSpec, MaestroError, recipeInfos } from '@maestro/protocol';
import { seconds } from './describeChaos.ts';
import { type JobRecord, recordJob } from './recordJob.ts';
import type { ChaosSummary } from './runChaos.ts';

/** A condition that must hold after a chaos run. */
export interface Finding {
  readonly name: string;
  readonly isOk: boolean;
  readonly detail: string;
}

/** Deadline of a job, in milliseconds: as long as a person may want to wait. */
const DAY_MS = 86_400_000;

/** Checks that the job has neither failed nor been cancelled. */
export function goesOn({ state, message, progress }: Job): Finding {
  const isOk = state !== 'failed' && state !== 'cancelled';
  return { name: 'the job continues', isOk, detail: `${state} at step ${progress?.step ?? 0}, ${message}` };
}

/** Checks that a step was committed after each event, in time. */
export function isBounded({ unrecovered, recoveryMsMax }: ChaosSummary): Finding {
  return { name: 'recovery is bounded', isOk: unrecovered === 0, detail: `longest ${seconds(recoveryMsMax)}` };
}

/** Checks that every sample of the job's committed steps was taken exactly once. */
export async function isAudited(client: JobClient, id: string): Promise<Finding> {
  const { isClean, images, skipped, missing, duplicates, mismatches, redoneSteps, problems } = await client.auditJob(id);
  const detail = isClean
    ? `${images + skipped} samples, each consumed once; ${redoneSteps} steps were recomputed`
    : `${missing} missing, ${duplicates} duplicated, ${mismatches} rows with unplanned samples: ${problems[0] ?? ''}`;
  return { name: 'the audit is clean', isOk: isClean, detail };
}

/** Waits for the job to end, and compares its result ({@link resultOf}) with the expected one. */
export async function hasResult(record: JobRecord, expected: string, of: string): Promise<Finding> {
  const ended = await record.until('its end', ({ state }) => isTerminal(state), { timeoutMs: DAY_MS });
  const result = resultOf(ended);
  const isOk = result === expected;
  const name = isMeasurement(ended) ? 'the measurement is the same' : 'the weights are the same';
  return { name, isOk, detail: isOk ? `${result}, as ${of}` : `${result}, but ${of} has ${expected}` };
}

/** Runs the same job undisturbed on one worker, and returns its result ({@link resultOf}). */
export async function undisturbedResult(client: JobClient, coordinator: string, { specJson }: Job): Promise<string> {
  const spec = JSON.parse(specJson) as JobSpec;
  const { id } = await client.submitJob({
    spec: { ...spec, name: `${spec.name.slice(0, 80)} undisturbed`, resources: { ...spec.resources, minWorkers: 1, maxWorkers: 1 } },
  });
  const record = recordJob(coordinator, id);
  try {
    return resultOf(await record.until('its end', ({ state }) => isTerminal(state), { timeoutMs: DAY_MS }));
  } finally {
    await record.close();
  }
}

/**
 * Returns true when a job measures a checkpoint, and so leaves numbers instead of weights. A recipe that only the coordinator knows is
 * assumed to train.
 */
export function isMeasurement({ specJson }: Pick<Job, 'specJson'>): boolean {
  const { recipe } = JSON.parse(specJson) as { readonly recipe?: string };
  return recipeInfos().find(({ id }) => id === recipe)?.verb === 'measuring';
}

/**
 * Returns the hash of a job's last checkpoint; for a measuring job, its numbers. @throws MaestroError `conflict` when it did not succeed.
 */
function resultOf(job: Job): string {
  const { id, state, message, checkpoints, results = {} } = job;
  const result = isMeasurement(job)
    ? Object.entries(results)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')
    : checkpoints.at(-1)?.hash;
  if (state !== 'succeeded' || !result) throw new MaestroError('conflict', `chaos: job ${id} ${state}, nothing to compare: ${message}`);
  return result;
}
