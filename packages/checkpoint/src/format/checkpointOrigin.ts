import { identityDifferences, type JobIdentity, type JobSpec, MaestroError, readStoredSpec, specDifferences } from '@maestro/protocol';
import { resolveLocation } from '@maestro/storage';
import { beginExamination, readState } from '../read/checkpointReport.ts';
import { throwIfInvalid } from '../read/readCheckpoint.ts';

/** Origin of a checkpoint: the job that wrote it, its file and its identity. */
export interface CheckpointOrigin {
  /** Undefined when `state.json` does not name it. */
  readonly job: string | undefined;
  /** Undefined when there is none, or one that this version cannot read. */
  readonly spec: JobSpec | undefined;
  /** Versions, device, threads and fingerprint of the data set; empty when there is none. */
  readonly identity: JobIdentity;
}

/** Limits the differences that are spelled out. */
const TOLD = 6;

/**
 * Reads the origin of a checkpoint without its tensors.
 * @throws MaestroError `checkpoint-invalid`, `not-found` when there is no such folder.
 */
export async function readOrigin(dir: string): Promise<CheckpointOrigin> {
  const examination = await beginExamination(resolveLocation(dir));
  throwIfInvalid(examination);
  const state = await readState(examination);
  throwIfInvalid(examination);
  return originOf(state!);
}

/** Extracts the origin from `state.json`. */
export function originOf(state: Readonly<Record<string, unknown>>): CheckpointOrigin {
  const { job, spec, identity } = state;
  return {
    job: typeof job === 'string' ? job : undefined,
    spec: specOf(spec),
    identity: typeof identity === 'object' && identity !== null ? (identity as JobIdentity) : {},
  };
}

function specOf(spec: unknown): JobSpec | undefined {
  try {
    return readStoredSpec(spec).spec;
  } catch {
    return undefined; // of a version that had other keys
  }
}

/**
 * Expected origin of a checkpoint. `identity` is omitted when only a worker knows it, `job` when the checkpoint may belong to another job.
 */
export interface ExpectedOrigin {
  readonly job?: string;
  readonly spec: JobSpec;
  readonly identity?: JobIdentity;
}

/** Describes the differences between a checkpoint's origin and the expected one; undefined when there are none. */
export function describeDifferences(origin: CheckpointOrigin, { job, spec, identity }: ExpectedOrigin): string | undefined {
  // The file's hash is part of the identity, but says less than the file, and changes with a version that adds keys.
  const { specHash: _here, ...own } = identity ?? {};
  const { specHash: _there, ...others } = origin.identity;
  const found = [
    ...(job === undefined || origin.job === job ? [] : [`it was written by ${origin.job ?? 'an unknown job'}, not by ${job}`]),
    ...(origin.spec === undefined ? ['it holds no job file that can be compared'] : specDifferences(origin.spec, spec)),
    ...(identity === undefined
      ? []
      : identityDifferences(others, own).map((key) => `${key}: ${others[key] ?? 'nothing'} there, ${own[key] ?? 'nothing'} here`)),
  ];
  if (found.length === 0) return undefined;
  return [...found.slice(0, TOLD), ...(found.length > TOLD ? [`and ${found.length - TOLD} more`] : [])].join('; ');
}

/**
 * Throws unless a job may resume from a checkpoint that its file names: one trained by the same job file, or one accepted with
 * `resumeAnyway`.
 * @throws MaestroError `invalid-argument` that lists the differences.
 */
export function requireSameOrigin(dir: string, origin: CheckpointOrigin, expected: ExpectedOrigin): void {
  const differences = describeDifferences(origin, expected);
  if (differences === undefined || expected.spec.checkpoint.resumeAnyway) return;
  throw new MaestroError(
    'invalid-argument',
    `checkpoint.resumeFrom: ${dir} belongs to a different job: ${differences}; set checkpoint.resumeAnyway=true (\`--resume-anyway\`) to ` +
      'continue from it anyway',
  );
}

/**
 * Throws unless a checkpoint in a job's own folder belongs to the job: folders may have been moved or restored to the wrong place.
 * @throws MaestroError `invalid-argument` that lists the differences. The job must then fail: continuing would write into another job's
 * folder.
 */
export function requireOwnOrigin(
  dir: string,
  origin: CheckpointOrigin,
  expected: Required<Pick<ExpectedOrigin, 'job'>> & ExpectedOrigin,
): void {
  const differences = describeDifferences(origin, expected);
  if (differences === undefined) return;
  throw new MaestroError(
    'invalid-argument',
    `${dir} is in the folder of ${expected.job} but belongs to another job: ${differences}; restore the job's own checkpoints, ` +
      'and continue from them with `maestro submit --resume`',
  );
}
