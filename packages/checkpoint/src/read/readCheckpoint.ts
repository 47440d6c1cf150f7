import { isMaestroError, MaestroError } from '@maestro/protocol';
import { joinLocation, readStored, resolveLocation } from '@maestro/storage';
import { elementCount } from '@maestro/tensors';
import { alignStored, checkpointHash, joinMoments, splitMoments, type TrainingTensors } from '../format/checkpointHash.ts';
import { digestFile } from '../format/fileDigest.ts';
import { MANIFEST_FILE, MODEL_FILE, OPTIMIZER_FILE, REPLICAS_FILE, STATE_FILE } from '../format/manifest.ts';
import { openPart } from '../format/openPart.ts';
import { readSafetensors } from '../format/safetensors.ts';
import type { NamedTensor } from '../format/tensor.ts';
import {
  attempt,
  beginExamination,
  type CheckpointReport,
  compareDigest,
  describeProblems,
  type Examination,
  readState,
  reportOf,
} from './checkpointReport.ts';

/** A verified checkpoint in memory; tensors in name order. */
export interface Checkpoint extends TrainingTensors {
  readonly dir: string;
  readonly step: number;
  readonly checkpointHash: string;
  readonly sizeBytes: number;
  /** Content of `state.json`, as it was given to writeCheckpoint. */
  readonly state: Readonly<Record<string, unknown>>;
}

/** Files whose bytes are verified as they are read into memory. */
const READ_FILES: ReadonlySet<string> = new Set([MODEL_FILE, OPTIMIZER_FILE, REPLICAS_FILE, STATE_FILE]);

/** Options of {@link readCheckpoint}. */
export interface ReadCheckpointOptions {
  /**
   * Memory to read into: the tensors that the model has, for instance views of flat vectors (flatTensors). The checkpoint must hold these
   * and no others; moments, and what replicas that train apart have beside, are read into new arrays when no memory is given for them.
   * Default: new arrays for whatever the checkpoint holds.
   */
  readonly into?: Pick<TrainingTensors, 'parameters'> & Partial<TrainingTensors>;
  readonly signal?: AbortSignal;
}

/**
 * Reads a checkpoint and returns it only when every byte is as written: checks sizes, the SHA-256 of each file, the structure, and the
 * checkpoint hash over the tensors in memory. Each file is read once. After an error the contents of `into` are undefined.
 *
 * @throws MaestroError `checkpoint-invalid` naming every problem found (`details.problems`)
 * @throws MaestroError `conflict` when the checkpoint is valid but of a different model than `into`
 * @throws MaestroError `not-found` when there is no such folder
 */
export async function readCheckpoint(dir: string, { into, signal }: ReadCheckpointOptions = {}): Promise<Checkpoint> {
  const examination = await beginExamination(resolveLocation(dir));
  throwIfInvalid(examination);
  const { manifest, problems } = examination;
  const state = await readState(examination);
  for (const file of Object.keys(manifest!.files)) {
    if (!READ_FILES.has(file)) await checkDigest(examination, file, signal);
  }
  const parameters = await readTensors(examination, MODEL_FILE, into?.parameters, signal);
  const { firstMoments, secondMoments } = into ?? {};
  const momentsInto = firstMoments && joinMoments({ firstMoments, ...(secondMoments && { secondMoments }) });
  const moments = await readTensors(examination, OPTIMIZER_FILE, momentsInto, signal);
  const hasReplicas = manifest!.files[REPLICAS_FILE] !== undefined;
  if (into?.replicas !== undefined && !hasReplicas) {
    throwIfInvalid(examination);
    throw new MaestroError('conflict', `checkpoint ${examination.dir} belongs to a different kind of job: it has no ${REPLICAS_FILE}`);
  }
  const replicas = hasReplicas ? await readTensors(examination, REPLICAS_FILE, into?.replicas, signal) : undefined;
  throwIfInvalid(examination);

  const tensors = { parameters: parameters!, ...splitMoments(moments!), ...(replicas !== undefined && { replicas }) };
  const hash = await attempt(problems, OPTIMIZER_FILE, () => {
    alignStored(parameters!, moments!);
    return checkpointHash(tensors, signal);
  });
  throwIfInvalid(examination);
  if (hash !== manifest!.checkpointHash) {
    problems.push({ file: MANIFEST_FILE, message: `has the checkpoint hash ${manifest!.checkpointHash}, the tensors have ${hash}` });
  }
  throwIfInvalid(examination);
  const { step, sizeBytes } = reportOf(examination);
  return { ...tensors, dir: examination.dir, step: step!, checkpointHash: hash!, sizeBytes: sizeBytes!, state: state! };
}

/** A checkpoint's parameters, without the moments. */
export type CheckpointParameters = Pick<Checkpoint, 'parameters' | 'dir' | 'step' | 'checkpointHash' | 'state'>;

/**
 * Reads only a checkpoint's parameters, for callers that do not train: a third of the bytes. Verifies the SHA-256 of their file, and takes
 * the checkpoint hash from the manifest.
 *
 * @throws as {@link readCheckpoint}
 */
export async function readParameters(
  dir: string,
  { into, signal }: { readonly into?: readonly NamedTensor[]; readonly signal?: AbortSignal } = {},
): Promise<CheckpointParameters> {
  const examination = await beginExamination(resolveLocation(dir));
  throwIfInvalid(examination);
  const state = await readState(examination);
  const parameters = await readTensors(examination, MODEL_FILE, into, signal);
  throwIfInvalid(examination);
  const { step, checkpointHash: hash } = examination.manifest!;
  return { parameters: parameters!, dir: examination.dir, step, checkpointHash: hash, state: state! };
}

/**
 * Returns the unverified content of a checkpoint's `state.json`: for callers that identify its job, and verify what matters elsewhere.
 * @throws MaestroError `not-found`, `storage`, `checkpoint-invalid` when it is not JSON
 */
export async function readCheckpointState(dir: string): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readStored(joinLocation(resolveLocation(dir), STATE_FILE));
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new MaestroError('checkpoint-invalid', `checkpoint ${dir}: ${STATE_FILE} is not JSON`, { cause });
  }
}

/** Error for an invalid checkpoint. */
function invalidCheckpoint({ dir, problems }: Pick<CheckpointReport, 'dir' | 'problems'>): MaestroError {
  return new MaestroError('checkpoint-invalid', `checkpoint ${dir} is invalid: ${describeProblems(problems)}`, {
    details: { dir, problems },
  });
}

/** Throws the problems that an examination has found so far, if any. */
export function throwIfInvalid(examination: Examination): void {
  if (examination.problems.length > 0) throw invalidCheckpoint(examination);
}

async function readTensors(
  examination: Examination,
  file: string,
  into: readonly NamedTensor[] | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly NamedTensor[] | undefined> {
  const { dir, problems } = examination;
  const expected = into && new Map(into.map((tensor) => [tensor.name, tensor]));
  const target = ({ name, shape }: Pick<NamedTensor, 'name' | 'shape'>) => {
    if (expected === undefined) return new Float32Array(elementCount(shape));
    const tensor = expected.get(name);
    const found = `${file} holds ${name} [${shape.join(', ')}]`;
    if (tensor === undefined) throw otherModel(dir, `${found}, which this model has not`);
    if (tensor.shape.join() !== shape.join()) throw otherModel(dir, `${found}, this model has [${tensor.shape.join(', ')}]`);
    expected.delete(name);
    return tensor.data;
  };
  try {
    return await attempt(problems, file, async () => {
      const { tensors, sha256 } = await readSafetensors(joinLocation(dir, file), { target, signal });
      compareDigest(examination, file, sha256);
      const [lacking] = expected?.keys() ?? [];
      if (lacking !== undefined) throw otherModel(dir, `${file} lacks ${lacking}`);
      return tensors;
    });
  } catch (error) {
    if (!isMaestroError(error, 'conflict')) throw error;
    await checkDigest(examination, file, signal); // A damaged header may name other tensors.
    throwIfInvalid(examination);
    throw error;
  }
}

async function checkDigest(examination: Examination, name: string, signal: AbortSignal | undefined): Promise<void> {
  await attempt(examination.problems, name, async () => {
    const file = await openPart(joinLocation(examination.dir, name), signal);
    try {
      compareDigest(examination, name, (await digestFile(file, signal)).sha256);
    } finally {
      await file.close();
    }
  });
}

function otherModel(dir: string, difference: string): MaestroError {
  return new MaestroError('conflict', `checkpoint ${dir} has a different model: ${difference}`);
}
