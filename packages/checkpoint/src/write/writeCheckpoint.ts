import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import { isUrl, resolveLocation, storageError } from '@maestro/storage';
import { alignTensors, checkpointHash, joinMoments } from '../format/checkpointHash.ts';
import { type FileDigest, syncFolder, writeDurably } from '../format/fileDigest.ts';
import { encodeManifest, MANIFEST_FILE, MODEL_FILE, OPTIMIZER_FILE, REPLICAS_FILE, STATE_FILE } from '../format/manifest.ts';
import { safetensorsParts } from '../format/safetensors.ts';
import type { CheckpointFiles, WriteCheckpointOptions, WrittenCheckpoint } from './checkpointFiles.ts';
import { requireSpace } from './diskSpace.ts';
import { passingFolder, stepFolder } from './folderNames.ts';
import { cleanLeftovers, withFolderInHand } from './leftovers.ts';
import { writeObjects } from './writeObjects.ts';

/**
 * Writes the checkpoint of a step atomically: into a temporary folder next to the others, every file flushed to the device, the manifest
 * last, and then one rename to `step-00001234`. Replaces a checkpoint of the same step.
 *
 * An object store has no renames: there the manifest is the last object to be written, and completes the checkpoint.
 *
 * Writes from the tensors' memory without a copy, so it must not change until the promise settles. Blocks the event loop for about 1 ms at
 * a time.
 *
 * @throws MaestroError `storage` when there is no room or the file system refuses; earlier checkpoints stay as they were
 * @throws MaestroError `invalid-argument` when the moments do not fit the parameters
 */
export async function writeCheckpoint(options: WriteCheckpointOptions): Promise<WrittenCheckpoint> {
  const root = resolveLocation(options.root);
  const doing = `writing the checkpoint of step ${options.step} in ${root}`;
  if (!Number.isSafeInteger(options.step) || options.step < 0) throw new MaestroError('invalid-argument', `${doing}: not a step`);
  const files = encodeFiles(options);
  if (isUrl(root)) return writeObjects(root, files, options);
  try {
    await mkdir(root, { recursive: true });
    await cleanLeftovers(root);
    await requireSpace(
      root,
      sum(Object.values(files).flat(), ({ length }) => length),
      doing,
    );
    const folder = join(root, passingFolder('writing', options.step));
    return await withFolderInHand(folder, () => writeFolder(folder, files, options));
  } catch (error) {
    throw storageError(error, doing);
  }
}

/** Encodes the content of every file but the manifest, with the tensors as views. */
function encodeFiles(options: WriteCheckpointOptions): CheckpointFiles {
  const { parameters, replicas, state, step, metadata = { format: 'pt' } } = options;
  alignTensors(options); // Refuses what does not fit.
  return {
    [MODEL_FILE]: safetensorsParts(parameters, metadata),
    [OPTIMIZER_FILE]: safetensorsParts(joinMoments(options), metadata),
    ...(replicas !== undefined && { [REPLICAS_FILE]: safetensorsParts(replicas, metadata) }),
    [STATE_FILE]: [Buffer.from(`${JSON.stringify({ ...state, step }, null, 2)}\n`)],
  };
}

async function writeFolder(folder: string, files: CheckpointFiles, options: WriteCheckpointOptions): Promise<WrittenCheckpoint> {
  const { step, signal, onPhase = () => undefined } = options;
  const root = dirname(folder);
  const write = async (name: string, parts: readonly Uint8Array[]): Promise<FileDigest> => {
    await onPhase({ name: 'write', target: name });
    return writeDurably(join(folder, name), parts, { signal, beforeSync: () => onPhase({ name: 'fsync', target: name }) });
  };
  try {
    await mkdir(folder);
    const digests: Record<string, FileDigest> = {};
    for (const [name, parts] of Object.entries(files)) digests[name] = await write(name, parts);
    const hash = await checkpointHash(options, signal);
    const manifest = await write(MANIFEST_FILE, [Buffer.from(encodeManifest({ step, checkpointHash: hash, files: digests }))]);
    await onPhase({ name: 'fsync', target: stepFolder(step) });
    await syncFolder(folder);
    await moveIntoPlace(folder, step, () => onPhase({ name: 'rename', target: stepFolder(step) }));
    await onPhase({ name: 'fsync', target: root });
    await syncFolder(root);
    const sizeBytes = sum(Object.values(digests), (digest) => digest.sizeBytes) + manifest.sizeBytes;
    return { dir: join(root, stepFolder(step)), step, checkpointHash: hash, sizeBytes };
  } finally {
    // Cleans up after a failure; after a success there is nothing. If this fails too, the first error explains it and the next write cleans
    // up.
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Renames a finished folder to its step's name; an existing one is moved aside first, since folders cannot be swapped in one call. */
async function moveIntoPlace(folder: string, step: number, beforeRename: () => void | Promise<void>): Promise<void> {
  const root = dirname(folder);
  const target = join(root, stepFolder(step));
  const isTaken = await stat(target).then(
    () => true,
    () => false,
  );
  await beforeRename();
  if (!isTaken) return rename(folder, target);
  const aside = join(root, passingFolder('replaced', step));
  await withFolderInHand(aside, async () => {
    await rename(target, aside);
    try {
      await beforeRename();
      await rename(folder, target);
    } catch (error) {
      await rename(aside, target);
      throw error;
    }
    await rm(aside, { recursive: true, force: true });
  });
}

function sum<T>(items: readonly T[], size: (item: T) => number): number {
  return items.reduce((total, item) => total + size(item), 0);
}
