import { createHash } from 'node:crypto';
import { MaestroError } from '@maestro/protocol';
import { contentHash } from '../loader/contentHash.ts';
import type { Dataset } from './dataset.ts';
import type { DatasetPart, DatasetSource, SubsetSource } from './datasetSource.ts';

/** Number of bytes that distinguish a large sample from others of the same size. */
export const PROBE_BYTES = 2 ** 16;
/** Samples of equal size are grouped without reading them as long as the group is at most this share of the held-out set. */
const GROUP_SHARE = 1 / 8;
/** Number of samples read concurrently; hides the latency of network file systems. */
const AT_ONCE = 32;

/**
 * Chooses the held-out samples, in order: the first `share` of the data set by a hash of content, rounded up. Samples with equal bytes fall
 * on the same side, whatever their names. Content means the size and, when many samples have the same size, also the first {@link
 * PROBE_BYTES}: a set of photographs need not be read at all. The choice does not depend on the job.
 *
 * @throws MaestroError `data-invalid` when a sample cannot be read, `cancelled`.
 */
export async function chooseHeldOut(
  dataset: Pick<Dataset, 'length' | 'sizeBytes' | 'probe'>,
  share: number,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<number[]> {
  const { length } = dataset;
  const wanted = Math.min(Math.ceil(share * length), length - 1);
  if (wanted <= 0) return [];
  const bySize = groupBy(
    Array.from({ length }, (_, index) => index),
    (index) => dataset.sizeBytes(index),
  );
  const units: Unit[] = [];
  const most = Math.max(1, Math.floor(GROUP_SHARE * wanted));
  for (const [sizeBytes, indices] of bySize) {
    if (indices.length <= most) {
      units.push({ key: keyOf(sizeBytes, 0), indices });
      continue;
    }
    const probes = await probeAll(dataset, indices, signal);
    for (const [probe, same] of groupBy(indices, (index) => probes.get(index)!))
      units.push({ key: keyOf(sizeBytes, probe), indices: same });
  }
  return take(units, wanted, length).sort((a, b) => a - b);
}

/** Samples that stay together. */
interface Unit {
  readonly key: number;
  readonly indices: readonly number[];
}

/** Takes the units that come first by key and fit; when none fits, the smallest that leaves at least half of the data set. */
function take(units: readonly Unit[], wanted: number, length: number): number[] {
  const inOrder = [...units].sort((a, b) => a.key - b.key || a.indices[0]! - b.indices[0]!);
  const taken: number[] = [];
  for (const { indices } of inOrder) {
    if (taken.length + indices.length <= wanted) taken.push(...indices);
    if (taken.length === wanted) break;
  }
  if (taken.length > 0) return taken;
  const smallest = inOrder.reduce((least, unit) => (unit.indices.length < least.indices.length ? unit : least));
  return 2 * smallest.indices.length <= length ? [...smallest.indices] : [];
}

async function probeAll(
  dataset: Pick<Dataset, 'probe'>,
  indices: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Map<number, number>> {
  const probes = new Map<number, number>();
  for (let first = 0; first < indices.length; first += AT_ONCE) {
    if (signal?.aborted) throw new MaestroError('cancelled', 'opening the data set was cancelled');
    const group = indices.slice(first, first + AT_ONCE);
    const found = await Promise.all(group.map((index) => dataset.probe(index)));
    for (const [i, index] of group.entries()) probes.set(index, found[i]!);
  }
  return probes;
}

const keyOf = (sizeBytes: number, probe: number): number => contentHash(new Uint8Array(Float64Array.of(sizeBytes, probe).buffer));

function groupBy(indices: readonly number[], groupOf: (index: number) => number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const index of indices) {
    const value = groupOf(index);
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [index]);
    else group.push(index);
  }
  return groups;
}

/** Returns the indices of `part` of `dataset`, in the order of the data set; `heldOut` comes from {@link chooseHeldOut}. */
export function partIndices(dataset: Pick<Dataset, 'length'>, heldOut: readonly number[], part: DatasetPart): Uint32Array {
  const isHeldOut = new Uint8Array(dataset.length);
  for (const index of heldOut) isHeldOut[index] = 1;
  const indices = Array.from({ length: dataset.length }, (_, index) => index).filter(
    (index) => part === 'all' || (isHeldOut[index] === 1) === (part === 'held-out'),
  );
  const shared = new Uint32Array(new SharedArrayBuffer(Uint32Array.BYTES_PER_ELEMENT * indices.length));
  shared.set(indices);
  return shared;
}

/** Wraps the samples of `dataset`, whose source is `of`, at `indices` as a data set. */
export function subsetDataset<Whole extends Exclude<DatasetSource, { readonly format: 'subset' }>>(
  dataset: Dataset,
  { of, indices, part }: Pick<SubsetSource<Whole>, 'of' | 'indices' | 'part'>,
): Dataset {
  const at = (index: number): number => indices[index]!;
  const hash = createHash('sha256').update(`${part} of ${dataset.fingerprint}\n`).update(new Uint8Array(indices));
  return {
    ...dataset,
    length: indices.length,
    fingerprint: hash.digest('hex'),
    source: { format: 'subset', of, part, indices } as DatasetSource,
    name: (index) => dataset.name(at(index)),
    label: (index) => dataset.label(at(index)),
    sizeBytes: (index) => dataset.sizeBytes(at(index)),
    probe: (index) => dataset.probe(at(index)),
    read: (index) => dataset.read(at(index)),
    ...(dataset.prefetch !== undefined && { prefetch: (index: number) => dataset.prefetch!(at(index)) }),
  };
}
