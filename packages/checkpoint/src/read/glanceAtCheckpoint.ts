import { stat } from 'node:fs/promises';
import { MaestroError } from '@maestro/protocol';
import { isUrl, storageError } from '@maestro/storage';
import { MANIFEST_FILE } from '../format/manifest.ts';
import { beginExamination, type CheckpointReport, type Examination, reportOf, requireWriter } from './checkpointReport.ts';

/**
 * Result of {@link glanceAtCheckpoint}; `valid` when the manifest is whole and every file has its size. Bytes are checked by
 * `verifyCheckpoint`.
 */
export interface CheckpointGlance extends CheckpointReport {
  /** Time at which its manifest was written, the last of its files. */
  readonly writtenAt: Date;
}

/**
 * Examines a checkpoint without reading its tensors: takes milliseconds, whatever the model's size. One in the folder of `job` that another
 * job wrote is invalid.
 * @throws MaestroError `not-found` when there is no such folder
 */
export async function glanceAtCheckpoint(dir: string, { job }: { readonly job?: string | undefined } = {}): Promise<CheckpointGlance> {
  const examination = await beginExamination(dir);
  await requireWriter(examination, job);
  return { ...reportOf(examination), writtenAt: await writtenAt(examination) };
}

async function writtenAt({ dir, files }: Examination): Promise<Date> {
  const manifest = files.get(MANIFEST_FILE);
  if (manifest !== undefined) return manifest.modifiedAt;
  // Without a manifest, the folder's time is the best estimate.
  if (isUrl(dir)) return new Date(Math.max(...[...files.values()].map((file) => file.modifiedAt.getTime())));
  const { mtime } = await stat(dir).catch((error: NodeJS.ErrnoException) => {
    // Retention may remove whole folders at any time.
    if (error.code === 'ENOENT') throw new MaestroError('not-found', `checkpoint ${dir}: no such folder`);
    throw storageError(error, `looking at checkpoint ${dir}`);
  });
  return mtime;
}
