import { decisivePart, type JobSpec } from './jobSpec.ts';

/** What decides a job's bits beside its file: versions, device, threads, fingerprint of the data set, by name. */
export type JobIdentity = Readonly<Record<string, unknown>>;

/** What may differ in a job with `allowMixedDevices`: where and how a gradient is computed, but not of what. */
const COMPUTING: ReadonlySet<string> = new Set([
  ...['device', 'engine', 'isResident', 'platform', 'instructions', 'threads'],
  ...['tf32', 'deterministic', 'gpu', 'cublas', 'cudnn'],
]);

/** The part of an identity that all members of a job must have in common. */
export function commonIdentity(identity: JobIdentity, { resources }: Pick<JobSpec, 'resources'>): JobIdentity {
  return resources.allowMixedDevices ? Object.fromEntries(Object.entries(identity).filter(([key]) => !COMPUTING.has(key))) : identity;
}

/** Names of what differs. */
export function identityDifferences(a: JobIdentity, b: JobIdentity): string[] {
  return Object.keys({ ...a, ...b }).filter((key) => a[key] !== b[key]);
}

/** What of two job files that decides the bits differs, in words: `seed: 1 there, 2 here`. */
export function specDifferences(there: JobSpec, here: JobSpec): string[] {
  return differences('', asWritten(there), asWritten(here));
}

/** What decides the bits, under the keys that a job file has for it. */
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
