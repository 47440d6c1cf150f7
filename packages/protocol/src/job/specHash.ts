import { createHash } from 'node:crypto';
import { type DataSpec, type JobSpec, PLAIN_OPTIMIZER, type TestDataSpec } from './jobSpec.ts';
import type { JobSection } from './recipe.ts';
import { recipeOf } from './recipeRegistry.ts';

/**
 * SHA-256 (hex) of the part of a job file that decides its bits: everything but name and priority, number of workers, sharding of the
 * optimiser's state, and where checkpoints come from.
 */
export function specHash(spec: JobSpec): string {
  return createHash('sha256')
    .update(JSON.stringify(decisivePart(spec)))
    .digest('hex');
}

/** The input of {@link specHash}. */
export function decisivePart(spec: JobSpec): Readonly<Record<string, unknown>> {
  const { dataPlaces, section } = recipeOf(spec);
  const whole = dataPlaces.reduce((file, place) => changedAt(file, place, (set) => withoutPath(set as TestDataSpec)), spec);
  const { name: _name, priority: _priority, checkpoint: _checkpoint, resources, data, sync, precision, ...others } = whole;
  const { state: _state, name, ...settings } = others.optimizer;
  const optimizer = name === PLAIN_OPTIMIZER.name ? settings : { name, ...settings };
  const { [section?.key ?? '']: own, ...rest } = { ...others, optimizer } as JobSection;
  // Left out when it equals the behaviour before there was a choice, so that older hashes stay valid.
  const isPlain = sync.mode === 'allReduce' && sync.allGather === 'f32';
  const { virtualRanks, device, allowMixedDevices } = resources;
  const format = withoutPath(data);
  const mixed = allowMixedDevices && { allowMixedDevices };
  const native = precision !== 'standard' && { precision };
  return {
    ...rest,
    format,
    virtualRanks,
    device,
    ...(!isPlain && { sync }),
    ...native,
    ...mixed,
    ...(own !== undefined && { [section!.key]: own }),
  };
}

/** Returns a copy of a job file with another value at a place; the file itself when it has no value there. */
export function changedAt<File extends object>(file: File, [key, ...rest]: readonly string[], change: (value: unknown) => unknown): File {
  const value = (file as JobSection)[key!];
  if (value === undefined) return file;
  if (rest.length === 0) return { ...file, [key!]: change(value) };
  return typeof value === 'object' && value !== null ? { ...file, [key!]: changedAt(value, rest, change) } : file;
}

/** A set that holds nothing out keeps the hash from before there was a choice. */
function withoutPath({ path: _path, ...format }: DataSpec | TestDataSpec): object {
  if (!('holdOut' in format) || format.holdOut !== 0) return format;
  const { holdOut: _none, ...whole } = format;
  return whole;
}
