import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import { beginExamination, type CheckpointReport, reportOf } from './checkpointReport.ts';
import { MANIFEST_FILE } from './manifest.ts';
import { storageError } from './storageError.ts';

/** What a look at a checkpoint found; `valid` when the manifest is whole and every file has its size. Bytes are for `verifyCheckpoint`. */
export interface CheckpointGlance extends CheckpointReport {
  /** When its manifest was written, which is last. */
  readonly writtenAt: Date;
}

/**
 * Looks at a checkpoint without reading its tensors: milliseconds, whatever the model's size.
 * @throws MaestroError `not-found` when there is no such folder
 */
export async function glanceAtCheckpoint(dir: string): Promise<CheckpointGlance> {
  const report = reportOf(await beginExamination(dir));
  // Without a manifest, the folder's time says most.
  const { mtime } = await stat(join(dir, MANIFEST_FILE))
    .catch(() => stat(dir))
    .catch((error: NodeJS.ErrnoException) => {
      // Retention removes whole folders at any time.
      if (error.code === 'ENOENT') throw new MaestroError('not-found', `checkpoint ${dir}: no such folder`);
      throw storageError(error, `looking at checkpoint ${dir}`);
    });
  return { ...report, writtenAt: mtime };
}
