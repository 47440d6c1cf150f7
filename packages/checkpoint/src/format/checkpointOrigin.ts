import { identityDifferences, type JobIdentity, type JobSpec, MaestroError, parseJobSpec, specDifferences } from '@maestro/protocol';
import { resolveLocation } from '@maestro/storage';
import { beginExamination, readState } from '../read/checkpointReport.ts';
import { throwIfInvalid } from '../read/readCheckpoint.ts';

/** Which job wrote a checkpoint, from what file, with what. */
export interface CheckpointOrigin {
  /** Undefined where `state.json` does not say. */
  readonly job: string | undefined;
  /** Undefined when it holds none, or one that this version cannot read. */
  readonly spec: JobSpec | undefined;
  /** Versions, device, threads and fingerprint of the data set; empty when it holds none. */
  readonly identity: JobIdentity;
}

/** So many differences are told in words. */
const TOLD = 6;

/**
 * Which job wrote a checkpoint. Its tensors are not read.
 * @throws MaestroError `checkpoint-invalid`, `not-found` when no such folder.
 */
export async function readOrigin(dir: string): Promise<CheckpointOrigin> {
  const examination = await beginExamination(resolveLocation(dir));
  throwIfInvalid(examination);
  const state = await readState(examination);
  throwIfInvalid(examination);
  return originOf(state!);
}

/** The origin that `state.json` tells of. */
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
    return parseJobSpec(spec);
  } catch {
    return undefined; // of a version that had other keys
  }
}

/**
 * What a checkpoint is compared with. `identity` is left out where only a worker knows it, `job` where the checkpoint may be another job's.
 */
export interface ExpectedOrigin {
  readonly job?: string;
  readonly spec: JobSpec;
  readonly identity?: JobIdentity;
}

/** In words, what of a checkpoint's origin is not what it should be; undefined when all is. */
export function describeDifferences(origin: CheckpointOrigin, { job, spec, identity }: ExpectedOrigin): string | undefined {
  // The file's hash is part of the identity, but says less than the file, and changes with a version that has new keys.
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
 * Throws unless a job may go on from a checkpoint that its file names: one that was trained by the same job file, or that is taken anyway.
 * @throws MaestroError `invalid-argument` that says what differs.
 */
export function requireSameOrigin(dir: string, origin: CheckpointOrigin, expected: ExpectedOrigin): void {
  const differences = describeDifferences(origin, expected);
  if (differences === undefined || expected.spec.checkpoint.resumeAnyway) return;
  throw new MaestroError(
    'invalid-argument',
    `checkpoint.resumeFrom: ${dir} is of another job: ${differences}; set checkpoint.resumeAnyway=true (\`--resume-anyway\`) to go ` +
      'on from it all the same',
  );
}

/**
 * Throws unless a checkpoint in a job's own folder is the job's own: folders may have been moved or restored to the wrong place.
 * @throws MaestroError `invalid-argument` that says what differs. The job must end with it: going on would write into another job's folder.
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
    `${dir} lies in the folder of ${expected.job}, but is not its own: ${differences}; put the job's own checkpoints back, and go on ` +
      'from them with `maestro submit --resume`',
  );
}
