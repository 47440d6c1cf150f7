import { type CheckpointOrigin, describeDifferences, requireSameOrigin } from '@maestro/checkpoint';
import { maeConfig, parameterSpecs } from '@maestro/mae';
import {
  dilocoOf,
  errorMessage,
  haveSameMoments,
  homeRelativeAdvice,
  isHomeRelative,
  isTraining,
  type JobSpec,
  MaestroError,
  type PathRoots,
  parseJobSpec,
  requireConfined,
  requireShallow,
} from '@maestro/protocol';
import type { RestorePoint } from '../run/state/runState.ts';
import { withModelOf } from './withModelOf.ts';

const MOST_SPEC_CHARACTERS = 256 * 1024;

/** Options of {@link createAdmission}. */
export interface AdmissionOptions {
  /** Folders that jobs may use. Default: any. */
  readonly roots?: PathRoots;
  /** Location of checkpoints for jobs whose file names none. Default: below the data folder. */
  readonly checkpoints?: string | undefined;
  /** Throws when the address of a checkpoint location does not answer. Default: no check. */
  readonly probeLocation?: (location: string) => Promise<void>;
  /** Reads the step of the checkpoint that a job starts from, and its origin; throws when it cannot be used. */
  readonly inspectCheckpoint: (path: string) => Promise<{ readonly step: number; readonly origin: CheckpointOrigin }>;
  /** Reads the job file that a checkpoint was trained with. */
  readonly readJobSpec: (path: string) => Promise<JobSpec>;
}

/** Decides which job files are admitted, and completes them. */
export interface Admission {
  /**
   * Validates a job file and completes it: with defaults, its checkpoint location, and the model that a measuring job evaluates.
   * @throws MaestroError `invalid-argument`, `too-large`, or the error of a checkpoint that it names and that cannot be read.
   */
  read(specJson: string): Promise<JobSpec>;
  /**
   * Returns the start of a job that has no checkpoint of its own. `specJson` is its file as written: a note says what `precision: auto`
   * became. @throws MaestroError of a checkpoint that cannot be used, or belongs to
   * another job.
   */
  startPoint(spec: JobSpec, specJson?: string): Promise<RestorePoint>;
}

/** Creates admission with the settings of this coordinator. */
export function createAdmission({
  roots,
  checkpoints,
  probeLocation = async () => undefined,
  inspectCheckpoint,
  readJobSpec,
}: AdmissionOptions): Admission {
  /** Settles `precision: auto` of a job that goes on from a checkpoint: with other products its bits would be others. */
  const withPrecisionOf = async (spec: JobSpec): Promise<JobSpec> => {
    const { resumeFrom } = spec.checkpoint;
    if (spec.precision !== 'auto' || resumeFrom === undefined || isHomeRelative(resumeFrom)) return spec;
    const { origin } = await inspectCheckpoint(resumeFrom);
    const precision = origin.spec?.precision ?? 'standard';
    return { ...spec, precision };
  };
  return {
    async read(specJson) {
      if (specJson.length > MOST_SPEC_CHARACTERS)
        throw new MaestroError('too-large', `job file: ${specJson.length} characters, at most ${MOST_SPEC_CHARACTERS}`);
      const file = parseJobFile(specJson);
      const parsed = parseJobSpec(file);
      // Written into the job's file, so that its workers, and a coordinator with another setting, find them there.
      const { location = checkpoints } = parsed.checkpoint;
      const isPlaced = location !== undefined && isTraining(parsed);
      const spec = isPlaced ? { ...parsed, checkpoint: { ...parsed.checkpoint, location } } : parsed;
      await requireConfined(spec, roots);
      // Without this check a missing server would show only when the first checkpoint is written.
      if (isPlaced) await probeLocation(location);
      return isTraining(spec) ? withPrecisionOf(spec) : withModelOf(spec, await readJobSpec(spec.checkpoint.resumeFrom!), file);
    },
    async startPoint(spec, specJson) {
      const { resumeFrom } = spec.checkpoint;
      if (resumeFrom === undefined) return { path: '', step: 0 };
      if (isHomeRelative(resumeFrom)) {
        throw new MaestroError('invalid-argument', `job file: checkpoint.resumeFrom: ${homeRelativeAdvice(resumeFrom)}`);
      }
      const { step, origin } = await inspectCheckpoint(resumeFrom);
      // A measuring job begins at the first sample, however long the checkpoint was trained.
      if (!isTraining(spec)) return { path: resumeFrom, step: 0 };
      requireSameOrigin(resumeFrom, origin, { spec });
      requireSameShape(resumeFrom, origin, spec);
      const notes = [...takenAnyway(resumeFrom, origin, spec)];
      const { precision: written } = (specJson === undefined ? {} : parseJobFile(specJson)) as Partial<Pick<JobSpec, 'precision'>>;
      if (written === 'auto') notes.push(`precision auto: ${spec.precision}, since ${resumeFrom} was trained with it`);
      return { path: resumeFrom, step, ...(notes.length > 0 && { notes }) };
    },
  };
}

/** Describes what of a checkpoint is not the job's own, and taken over or dropped because its file says so. */
function takenAnyway(path: string, origin: CheckpointOrigin, spec: JobSpec): string[] {
  const differences = describeDifferences(origin, { spec });
  if (differences === undefined) return [];
  const notes = [`goes on from ${path}, of another job, as checkpoint.resumeAnyway allows: ${differences}`];
  const there = origin.spec ?? spec;
  if (!haveSameMoments(there, spec))
    notes.push(`optimizer moments start at zero: ${there.optimizer.name} there, ${spec.optimizer.name} here`);
  return notes;
}

/** Parses a job file as JSON, without validation. @throws MaestroError `invalid-argument` when it is not JSON. */
export function parseJobFile(text: string): unknown {
  requireShallow(text, 'job file');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MaestroError('invalid-argument', `job file: not JSON: ${errorMessage(error)}`, { cause: error });
  }
}

/** Throws unless a checkpoint accepted with `resumeAnyway` has the tensors of the job's model, including the number of replicas. */
function requireSameShape(path: string, { spec: trained }: CheckpointOrigin, spec: JobSpec): void {
  if (trained === undefined) return; // the worker that reads it reports it
  const shapes = (of: JobSpec): string => JSON.stringify(parameterSpecs(maeConfig(of.model)).map(({ name, shape }) => [name, shape]));
  if (shapes(trained) !== shapes(spec)) {
    throw new MaestroError(
      'invalid-argument',
      `checkpoint.resumeFrom: ${path} is of another model; use the model section that the checkpoint was trained with`,
    );
  }
  if (dilocoOf(trained)?.replicas !== dilocoOf(spec)?.replicas) {
    throw new MaestroError(
      'invalid-argument',
      `checkpoint.resumeFrom: ${path} was written with sync.replicas ${dilocoOf(trained)?.replicas ?? 'none'}, the job has ` +
        `${dilocoOf(spec)?.replicas ?? 'none'}; give the job the same sync section`,
    );
  }
}
