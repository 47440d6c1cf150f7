import type { JobSpec } from './jobSpec.ts';
import { decisivePart } from './specHash.ts';

/** Everything besides its file that decides a job's bits: versions, device, threads, fingerprint of the data set, by name. */
export type JobIdentity = Readonly<Record<string, unknown>>;

/** Keys that may differ in a job with `allowMixedDevices`: where and how a gradient is computed, but not its inputs. */
const COMPUTING: ReadonlySet<string> = new Set([
  ...['device', 'engine', 'isResident', 'platform', 'instructions', 'threads'],
  ...['tf32', 'deterministic', 'gpu', 'cublas', 'cudnn'],
]);

/** Returns the part of an identity that all members of a job must share. */
export function commonIdentity(identity: JobIdentity, { resources }: Pick<JobSpec, 'resources'>): JobIdentity {
  return resources.allowMixedDevices ? Object.fromEntries(Object.entries(identity).filter(([key]) => !COMPUTING.has(key))) : identity;
}

/** Returns the names of differing keys. */
export function identityDifferences(a: JobIdentity, b: JobIdentity): string[] {
  return Object.keys({ ...a, ...b }).filter((key) => a[key] !== b[key]);
}

/** Describes the differences between two job files that affect the bits: `seed: 1 there, 2 here`. */
export function specDifferences(there: JobSpec, here: JobSpec): string[] {
  const [a, b] = [asWritten(there), asWritten(here)];
  // Settings of two optimisers have little in common: which they are says it.
  const isSame = there.optimizer.name === here.optimizer.name;
  const optimizers = isSame ? [{}, {}] : [there, here].map(({ optimizer: { name } }) => ({ optimizer: { name } }));
  return differences('', { ...a, ...optimizers[0] }, { ...b, ...optimizers[1] });
}

/** Returns the values that decide the bits, under their keys in a job file. */
function asWritten(spec: JobSpec): object {
  const { format: data, virtualRanks, device, allowMixedDevices, ...rest } = decisivePart(spec);
  return { ...rest, data, resources: { virtualRanks, device, allowMixedDevices } };
}

function differences(path: string, there: unknown, here: unknown): string[] {
  if (isRecord(there) && isRecord(here)) {
    const keys = Object.keys({ ...there, ...here });
    return keys.flatMap((key) => differences(path === '' ? key : `${path}.${key}`, there[key], here[key]));
  }
  const [a, b] = [JSON.stringify(there) ?? 'nothing', JSON.stringify(here) ?? 'nothing'];
  return a === b ? [] : [`${path}: ${a} there, ${b} here`];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
