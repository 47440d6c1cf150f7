import { createHash, type Hash } from 'node:crypto';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { hashBytes } from './fileDigest.ts';
import { type NamedTensor, sortedTensors, valueBytes } from './tensor.ts';

/**
 * What a training step changes, as tensors in any order. Moments have the names and shapes of the parameters that are trained; those that
 * are frozen have none.
 */
export interface TrainingTensors {
  readonly parameters: readonly NamedTensor[];
  /** Running mean of the gradient: `exp_avg` of AdamW, `momentum_buffer` of SGD and LARS. */
  readonly firstMoments: readonly NamedTensor[];
  /** Running mean of the squared gradient: `exp_avg_sq` of AdamW. Absent for optimisers that keep one moment. */
  readonly secondMoments?: readonly NamedTensor[];
  /** What else replicas that train apart need; see REPLICAS_FILE. Absent for all other jobs. */
  readonly replicas?: readonly NamedTensor[];
}

/**
 * The identity of a training state: SHA-256, in lower-case hexadecimal, over these bytes. For each parameter in the order of its name's
 * code points: the name in UTF-8, then its values, and of one that is trained its first moments and, where there are two, its second
 * moments, each as little-endian float32, row-major. Then, where replicas train apart, for each tensor of theirs in the same order: the
 * name and its values.
 *
 * Equal hashes mean equal bits of every weight and moment: the promise "the same on any number of workers" is checked by it. Blocks the
 * event loop for about 1 ms at a time.
 *
 * @throws MaestroError `invalid-argument` unless the moments are those of parameters, all kinds of the same ones
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
  for (const { name, parameter, moments } of aligned) {
    hash.update(name, 'utf8');
    for (const tensor of [parameter, ...moments]) await addValues(hash, tensor);
  }
  for (const tensor of sortedTensors(replicas)) {
    hash.update(tensor.name, 'utf8');
    await addValues(hash, tensor);
  }
  return hash.digest('hex');
}

/** A parameter with its moments: none of one that is frozen. */
export interface AlignedTensor<T> {
  readonly name: string;
  readonly parameter: T;
  readonly moments: readonly T[];
}

type Named = Pick<NamedTensor, 'name' | 'shape'>;

/** Moments by their kind. */
export interface Moments<T> {
  readonly firstMoments: readonly T[];
  readonly secondMoments?: readonly T[];
}

/**
 * Pairs each parameter with its moments, in name order.
 *
 * @throws MaestroError `invalid-argument` unless each parameter has moments of every kind, of its shape, or none, and no moments are left
 */
export function alignTensors<T extends Named>({
  parameters,
  firstMoments,
  secondMoments,
}: Moments<T> & { readonly parameters: readonly T[] }): AlignedTensor<T>[] {
  const kinds = [firstMoments, ...(secondMoments === undefined ? [] : [secondMoments])].map(
    (list) => new Map(sortedTensors(list).map((tensor) => [tensor.name, tensor])),
  );
  const aligned = sortedTensors(parameters).map((parameter) => {
    const { name } = parameter;
    const isTrained = kinds.some((kind) => kind.has(name));
    const moments = isTrained ? kinds.map((kind) => requireSame(kind.get(name), parameter)) : [];
    for (const kind of kinds) kind.delete(name);
    return { name, parameter, moments };
  });
  const [extra] = kinds.flatMap((kind) => [...kind.keys()]);
  if (extra !== undefined) throw new MaestroError('invalid-argument', `moments ${extra} have no parameter`);
  return aligned;
}

/** What the moments of AdamW are called in a file, after the parameter's name; and the one of SGD and LARS. */
const TWO_SUFFIXES = ['.exp_avg', '.exp_avg_sq'] as const;
const ONE_SUFFIX = '.momentum_buffer';

/** The moments under the names that they have in a file, which are PyTorch's: `<parameter>.exp_avg` and so on; `prefix` goes before. */
export function joinMoments<T extends Named>({ firstMoments, secondMoments }: Moments<T>, prefix = ''): T[] {
  const named = (list: readonly T[], suffix: string): T[] => list.map((tensor) => ({ ...tensor, name: prefix + tensor.name + suffix }));
  if (secondMoments === undefined) return named(firstMoments, ONE_SUFFIX);
  return [...named(firstMoments, TWO_SUFFIXES[0]), ...named(secondMoments, TWO_SUFFIXES[1])];
}

/** The inverse of {@link joinMoments}; tensors of another name are in no list. */
export function splitMoments<T extends Named>(tensors: readonly T[]): Moments<T> {
  const ofKind = (suffix: string): T[] =>
    tensors.filter(({ name }) => name.endsWith(suffix)).map((tensor) => ({ ...tensor, name: tensor.name.slice(0, -suffix.length) }));
  const one = ofKind(ONE_SUFFIX);
  return one.length > 0 ? { firstMoments: one } : { firstMoments: ofKind(TWO_SUFFIXES[0]), secondMoments: ofKind(TWO_SUFFIXES[1]) };
}

/**
 * Pairs the parameters of one file with the moments of another.
 *
 * @throws MaestroError `checkpoint-invalid` unless the moments are exactly those of the parameters
 */
export function alignStored<T extends Named>(parameters: readonly T[], moments: readonly T[]): AlignedTensor<T>[] {
  const split = splitMoments(moments);
  const isSplit = split.firstMoments.length + (split.secondMoments?.length ?? 0) === moments.length;
  try {
    if (!isSplit) throw new MaestroError('invalid-argument', 'some tensors are not moments');
    return alignTensors({ parameters, ...split });
  } catch (cause) {
    throw new MaestroError('checkpoint-invalid', `does not fit the model: ${errorMessage(cause)}`, { cause });
  }
}

function requireSame<T extends Named>(moment: T | undefined, { name, shape }: T): T {
  if (moment?.name !== name || moment.shape.join() !== shape.join()) {
    const found = moment === undefined ? 'none' : `${moment.name} [${moment.shape.join(', ')}]`;
    const message = `parameter ${name} [${shape.join(', ')}] needs moments of the same name and shape, found ${found}`;
    throw new MaestroError('invalid-argument', message);
  }
  return moment;
}
