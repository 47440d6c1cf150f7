import { createHash, type Hash } from 'node:crypto';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { hashBytes } from './fileDigest.ts';
import { type NamedTensor, sortedTensors, valueBytes } from './tensor.ts';

/** Vectors changed by a training step, as tensors of the same names and shapes, in any order. */
export interface TrainingTensors {
  readonly parameters: readonly NamedTensor[];
  /** Running mean of the gradient (AdamW's `exp_avg`). */
  readonly firstMoments: readonly NamedTensor[];
  /** Running mean of the squared gradient (AdamW's `exp_avg_sq`). */
  readonly secondMoments: readonly NamedTensor[];
  /** Additional tensors of replicas that train apart; see REPLICAS_FILE. Absent for all other jobs. */
  readonly replicas?: readonly NamedTensor[];
}

/**
 * Computes the identity of a training state: SHA-256, in lower-case hexadecimal, over these bytes. For each parameter in the order of its
 * name's code points: the name in UTF-8, then its values, its first moments and its second moments, each as little-endian float32,
 * row-major. Then, when replicas train apart, for each of their tensors in the same order: the name and its values.
 *
 * Equal hashes mean equal bits of every weight and moment: the promise "the same on any number of workers" is checked by it. Blocks the
 * event loop for about 1 ms at a time.
 *
 * @throws MaestroError `invalid-argument` unless the moments have the names and shapes of the parameters
 */
export function checkpointHash(tensors: TrainingTensors, signal?: AbortSignal): Promise<string> {
  const { replicas = [] } = tensors;
  return hashTraining({ aligned: alignTensors(tensors), replicas }, (hash, tensor) => hashBytes(hash, valueBytes(tensor), signal));
}

/** Computes the same hash over tensors that `addValues` fetches from wherever they are. */
export async function hashTraining<T extends Named>(
  { aligned, replicas }: { readonly aligned: readonly AlignedTensor<T>[]; readonly replicas: readonly T[] },
  addValues: (hash: Hash, tensor: T) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, parameter, firstMoment, secondMoment } of aligned) {
    hash.update(name, 'utf8');
    for (const tensor of [parameter, firstMoment, secondMoment]) await addValues(hash, tensor);
  }
  for (const tensor of sortedTensors(replicas)) {
    hash.update(tensor.name, 'utf8');
    await addValues(hash, tensor);
  }
  return hash.digest('hex');
}

/** A parameter with its moments. */
export interface AlignedTensor<T> {
  readonly name: string;
  readonly parameter: T;
  readonly firstMoment: T;
  readonly secondMoment: T;
}

type Named = Pick<NamedTensor, 'name' | 'shape'>;

/**
 * Pairs each parameter with its moments, in name order.
 *
 * @throws MaestroError `invalid-argument` unless the three lists have the same names and shapes
 */
export function alignTensors<T extends Named>(tensors: {
  readonly parameters: readonly T[];
  readonly firstMoments: readonly T[];
  readonly secondMoments: readonly T[];
}): AlignedTensor<T>[] {
  const [first, second] = [sortedTensors(tensors.firstMoments), sortedTensors(tensors.secondMoments)];
  const aligned = sortedTensors(tensors.parameters).map((parameter, index) => ({
    name: parameter.name,
    parameter,
    firstMoment: requireSame(first[index], parameter),
    secondMoment: requireSame(second[index], parameter),
  }));
  const extra = first[aligned.length] ?? second[aligned.length];
  if (extra !== undefined) throw new MaestroError('invalid-argument', `moments ${extra.name} have no parameter`);
  return aligned;
}

const MOMENT_SUFFIXES = { firstMoments: '.exp_avg', secondMoments: '.exp_avg_sq' } as const;

/** Names the moments as in a file: `<parameter>.exp_avg` and `<parameter>.exp_avg_sq`. */
export function joinMoments<T extends Named>(tensors: Pick<{ firstMoments: readonly T[]; secondMoments: readonly T[] }, MomentKind>): T[] {
  return (Object.keys(MOMENT_SUFFIXES) as MomentKind[]).flatMap((kind) =>
    tensors[kind].map((tensor) => ({ ...tensor, name: tensor.name + MOMENT_SUFFIXES[kind] })),
  );
}

/** Inverse of {@link joinMoments}; tensors with other names are in neither list. */
export function splitMoments<T extends Named>(tensors: readonly T[]): Record<MomentKind, T[]> {
  const ofKind = (suffix: string) =>
    tensors.filter(({ name }) => name.endsWith(suffix)).map((tensor) => ({ ...tensor, name: tensor.name.slice(0, -suffix.length) }));
  return { firstMoments: ofKind(MOMENT_SUFFIXES.firstMoments), secondMoments: ofKind(MOMENT_SUFFIXES.secondMoments) };
}

/**
 * Pairs the parameters of one file with the moments of another.
 *
 * @throws MaestroError `checkpoint-invalid` unless the moments are exactly those of the parameters
 */
export function alignStored<T extends Named>(parameters: readonly T[], moments: readonly T[]): AlignedTensor<T>[] {
  const { firstMoments, secondMoments } = splitMoments(moments);
  const isSplit = firstMoments.length + secondMoments.length === moments.length;
  try {
    if (!isSplit) throw new MaestroError('invalid-argument', 'some tensors are not moments');
    return alignTensors({ parameters, firstMoments, secondMoments });
  } catch (cause) {
    throw new MaestroError('checkpoint-invalid', `does not fit the model: ${errorMessage(cause)}`, { cause });
  }
}

type MomentKind = keyof typeof MOMENT_SUFFIXES;

function requireSame<T extends Named>(moment: T | undefined, { name, shape }: T): T {
  if (moment?.name !== name || moment.shape.join() !== shape.join()) {
    const found = moment === undefined ? 'none' : `${moment.name} [${moment.shape.join(', ')}]`;
    const message = `parameter ${name} [${shape.join(', ')}] needs moments of the same name and shape, found ${found}`;
    throw new MaestroError('invalid-argument', message);
  }
  return moment;
}
