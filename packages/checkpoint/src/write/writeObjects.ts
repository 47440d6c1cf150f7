import { createHash } from 'node:crypto';
import { isMaestroError, MaestroError } from '@maestro/protocol';
import { abandonUploads, type ObjectDigest, openStorage, type Storage } from '@maestro/storage';
import { checkpointHash } from '../format/checkpointHash.ts';
import { encodeManifest, MANIFEST_FILE, STATE_FILE } from '../format/manifest.ts';
import { beginExamination } from '../read/checkpointReport.ts';
import type { CheckpointFiles, WriteCheckpointOptions, WrittenCheckpoint } from './checkpointFiles.ts';
import { folderStep, stepFolder } from './folderNames.ts';

/**
 * Writes a checkpoint into an object store, the manifest last, after clearing what killed writers left there. An identical checkpoint is
 * not uploaded twice. One with other content loses its manifest before any object is replaced, so that no reader sees a mixture.
 *
 * @throws MaestroError `storage` when the server refuses; earlier checkpoints stay as they were
 */
export async function writeObjects(root: string, files: CheckpointFiles, options: WriteCheckpointOptions): Promise<WrittenCheckpoint> {
  const { step, signal, onPhase = () => undefined } = options;
  const storage = openStorage(root);
  const folder = stepFolder(step);
  const dir = `${storage.location}/${folder}`;
  await clearUnfinished(storage);
  const hash = await checkpointHash(options, signal);
  const sizeBytes = await sizeIfThere(dir, hash, files);
  if (sizeBytes !== undefined) return { dir, step, checkpointHash: hash, sizeBytes };
  await storage.remove(`${folder}/${MANIFEST_FILE}`);

  const digests: Record<string, ObjectDigest> = {};
  const write = async (name: string, parts: readonly Uint8Array[]): Promise<ObjectDigest> => {
    await onPhase({ name: 'write', target: name });
    return storage.write(`${folder}/${name}`, parts, { signal, beforePublish: () => onPhase({ name: 'fsync', target: name }) });
  };
  /** After a long enough interruption, the next writer may have mistaken this writer's objects for those of a dead one. */
  const requireOwn = async (mayHaveManifest: boolean): Promise<void> => {
    const found = new Map((await storage.list(folder)).map((object) => [object.name, object.sizeBytes]));
    const lost = Object.entries(digests).find(([name, { sizeBytes }]) => found.get(`${folder}/${name}`) !== sizeBytes);
    const isTaken = !mayHaveManifest && found.has(`${folder}/${MANIFEST_FILE}`);
    if (lost === undefined && !isTaken) return;
    const what = lost === undefined ? 'has written this step' : `has cleared it (${lost[0]} is gone)`;
    throw new MaestroError(
      'conflict',
      `writing the checkpoint of step ${step} in ${storage.location}: another writer ${what}; this one gives up`,
    );
  };
  try {
    for (const [name, parts] of Object.entries(files)) {
      await requireOwn(false);
      digests[name] = await write(name, parts);
    }
    await onPhase({ name: 'rename', target: folder });
    await requireOwn(false);
    const manifest = await write(MANIFEST_FILE, [Buffer.from(encodeManifest({ step, checkpointHash: hash, files: digests }))]);
    // Checked again: a writer that clears does likewise, so that one of the two sees a manifest whose objects are gone, and withdraws it.
    await requireOwn(true);
    const written = Object.values(digests).reduce((total, digest) => total + digest.sizeBytes, manifest.sizeBytes);
    return { dir, step, checkpointHash: hash, sizeBytes: written };
  } catch (error) {
    if (wasCleared(error)) await giveUp(dir);
    throw error;
  }
}

/** True when a write failed because another writer cleared its objects. */
function wasCleared(error: unknown): boolean {
  return (
    isMaestroError(error, 'conflict') || (isMaestroError(error, 'storage') && (error.details as { code?: unknown }).code === 'NoSuchUpload')
  );
}

/** Removes what an interrupted writer has written all the same, unless another's whole checkpoint is there by now. */
async function giveUp(dir: string): Promise<void> {
  const isWhole = await beginExamination(dir).then(
    ({ manifest, problems }) => manifest !== undefined && problems.length === 0,
    (error: unknown) => {
      if (isMaestroError(error, 'not-found')) return false;
      throw error;
    },
  );
  if (!isWhole) await removeObjects(dir);
}

/** Removes a checkpoint from an object store, the manifest first, which invalidates it. */
export async function removeObjects(dir: string): Promise<void> {
  const storage = openStorage(dir);
  await storage.remove(MANIFEST_FILE);
  for (const { name } of await storage.list()) await storage.remove(name);
}

/** Aborts unfinished uploads, and removes objects of checkpoints without a manifest. */
async function clearUnfinished(storage: Storage): Promise<void> {
  await abandonUploads(storage.location);
  const objects = await storage.list();
  const cleared = new Set<string>();
  const finished = new Set(objects.map(({ name }) => name).filter((name) => name.endsWith(`/${MANIFEST_FILE}`)));
  for (const { name } of objects) {
    const [folder = ''] = name.split('/', 1);
    if (folderStep(folder) === undefined || finished.has(`${folder}/${MANIFEST_FILE}`)) continue;
    await storage.remove(name);
    cleared.add(folder);
  }
  // Its writer may have continued meanwhile: remove a manifest of the objects just removed too.
  for (const folder of cleared) {
    const left = await storage.list(folder);
    if (left.some(({ name }) => name === `${folder}/${MANIFEST_FILE}`)) await removeObjects(`${storage.location}/${folder}`);
  }
}

/** Returns the size of an identical existing checkpoint: the same tensors and state, and every object with its size. */
async function sizeIfThere(dir: string, hash: string, files: CheckpointFiles): Promise<number | undefined> {
  try {
    const { manifest, problems, files: found } = await beginExamination(dir);
    const state = createHash('sha256');
    for (const part of files[STATE_FILE]!) state.update(part);
    const isSame = manifest?.checkpointHash === hash && manifest.files[STATE_FILE]?.sha256 === state.digest('hex');
    if (!isSame || problems.length > 0) return undefined;
    return [...found.values()].reduce((total, object) => total + object.sizeBytes, 0);
  } catch (error) {
    if (isMaestroError(error, 'not-found')) return undefined;
    throw error;
  }
}
