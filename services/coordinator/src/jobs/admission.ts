import { type CheckpointOrigin, requireSameOrigin } from '@maestro/checkpoint';
import { maeConfig, parameterSpecs } from '@maestro/mae';
import {
  dilocoOf,
  errorMessage,
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

/** What job files are checked against. */
export interface AdmissionOptions {
  /** Folders that jobs may use. Default: any. */
  readonly roots?: PathRoots;
  /** Where jobs keep their checkpoints whose file does not say. Default: below the data folder. */
  readonly checkpoints?: string | undefined;
  /** Throws when an address that checkpoints are to be written to does not answer. Default: nobody asks. */
  readonly probeLocation?: (location: string) => Promise<void>;
  /** Reads the step of a checkpoint that a job starts from, and whose it is; throws when it cannot be used. */
  readonly inspectCheckpoint: (path: string) => Promise<{ readonly step: number; readonly origin: CheckpointOrigin }>;
  /** The job file that a checkpoint was trained with. */
  readonly readJobSpec: (path: string) => Promise<JobSpec>;
}

/** Which job files are taken on, and as what. */
export interface Admission {
  /**
   * Checks a job file and makes it whole: with defaults, the place of its checkpoints, and the model of one that it measures.
   * @throws MaestroError `invalid-argument`, `too-large`, or of a checkpoint that it names and that cannot be read.
   */
  read(specJson: string): Promise<JobSpec>;
  /**
   * Where a job starts as long as it has no checkpoint of its own. @throws MaestroError of a checkpoint that cannot be used, or is of
   * another job.
   */
  startPoint(spec: JobSpec): Promise<RestorePoint>;
}

/** Admission by the settings of this coordinator. */
export function createAdmission({
  roots,
  checkpoints,
  probeLocation = async () => undefined,
  inspectCheckpoint,
  readJobSpec,
}: AdmissionOptions): Admission {
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
      // A server that is not there would show when the first checkpoint is written, or the last.
      if (isPlaced) await probeLocation(location);
      return isTraining(spec) ? spec : withModelOf(spec, await readJobSpec(spec.checkpoint.resumeFrom!), file);
    },
    async startPoint(spec) {
      const { resumeFrom } = spec.checkpoint;
      if (resumeFrom === undefined) return { path: '', step: 0 };
      if (isHomeRelative(resumeFrom)) {
        throw new MaestroError('invalid-argument', `job file: checkpoint.resumeFrom: ${homeRelativeAdvice(resumeFrom)}`);
      }
      const { step, origin } = await inspectCheckpoint(resumeFrom);
      // What measures a checkpoint begins at the first sample, however long it was trained.
      if (!isTraining(spec)) return { path: resumeFrom, step: 0 };
      requireSameOrigin(resumeFrom, origin, { spec });
      requireSameShape(resumeFrom, origin, spec);
      return { path: resumeFrom, step };
    },
  };
}

/** A job file as JSON, not checked yet. @throws MaestroError `invalid-argument` when it is none. */
export function parseJobFile(text: string): unknown {
  requireShallow(text, 'job file');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MaestroError('invalid-argument', `job file: not JSON: ${errorMessage(error)}`, { cause: error });
  }
}

/** A checkpoint that is taken anyway must still have the tensors of the job's model, as many replicas included. */
function requireSameShape(path: string, { spec: trained }: CheckpointOrigin, spec: JobSpec): void {
  if (trained === undefined) return; // the worker that reads it finds out
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
