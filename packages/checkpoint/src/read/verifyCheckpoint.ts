import { joinLocation, type StoredFile } from '@maestro/storage';
import { alignStored, hashTraining } from '../format/checkpointHash.ts';
import { digestFile, readRange } from '../format/fileDigest.ts';
import { MANIFEST_FILE, MODEL_FILE, OPTIMIZER_FILE, REPLICAS_FILE, STATE_FILE } from '../format/manifest.ts';
import { openPart } from '../format/openPart.ts';
import { readHeader, requireF32 } from '../format/safetensors.ts';
import type { TensorEntry } from '../format/safetensorsHeader.ts';
import {
  attempt,
  beginExamination,
  type CheckpointReport,
  compareDigest,
  type Examination,
  readState,
  reportOf,
  requireWriter,
} from './checkpointReport.ts';

/** Options of {@link verifyCheckpoint}. */
export interface VerifyOptions {
  readonly signal?: AbortSignal | undefined;
  /** The job whose folder contains the checkpoint: one that another job wrote is invalid. Default: accepts any job's. */
  readonly job?: string | undefined;
}

/**
 * Examines a checkpoint in full: every file's size and SHA-256, the structure of the tensor files, that moments fit parameters, and the
 * checkpoint hash over the tensors themselves. Needs a megabyte of memory whatever the model's size.
 *
 * @returns a report with each problem; it does not throw for an invalid checkpoint
 * @throws MaestroError `not-found` when there is no such folder
 */
export async function verifyCheckpoint(dir: string, { signal, job }: VerifyOptions = {}): Promise<CheckpointReport> {
  const examination = await beginExamination(dir);
  const { problems, readable } = examination;
  for (const file of readable) {
    if (file === STATE_FILE) await readState(examination);
    else {
      await withFile(examination, file, async (handle) => {
        compareDigest(examination, file, (await digestFile(handle, signal)).sha256);
      });
    }
  }
  // Matching digests prove that the files are as written; the tensors show whether that was right.
  if (problems.length === 0) await verifyTensors(examination, signal);
  // Last, so that a bad state.json is reported once.
  if (problems.length === 0) await requireWriter(examination, job);
  return reportOf(examination);
}

async function verifyTensors(examination: Examination, signal?: AbortSignal): Promise<void> {
  const { manifest, problems } = examination;
  await withFile(examination, MODEL_FILE, (model) =>
    withFile(examination, OPTIMIZER_FILE, async (optimizer) => {
      const aligned = alignStored(await entriesOf(model), await entriesOf(optimizer));
      const compare = async (replicas: readonly Stored[]): Promise<void> => {
        const hash = await hashTraining({ aligned, replicas }, async (hash, { file, begin, end }) => {
          await readRange(file, { begin, end, hash, signal });
        });
        if (hash !== manifest!.checkpointHash) {
          problems.push({ file: MANIFEST_FILE, message: `has the checkpoint hash ${manifest!.checkpointHash}, the tensors have ${hash}` });
        }
      };
      if (manifest!.files[REPLICAS_FILE] === undefined) await compare([]);
      else await withFile(examination, REPLICAS_FILE, async (file) => compare(await entriesOf(file)));
    }),
  );
}

type Stored = TensorEntry & { readonly file: StoredFile };

async function entriesOf(file: StoredFile): Promise<Stored[]> {
  const { header } = await readHeader(file);
  return header.entries.map((entry) => ({ ...requireF32(entry), file }));
}

async function withFile(examination: Examination, name: string, work: (file: StoredFile) => Promise<void>): Promise<void> {
  await attempt(examination.problems, name, async () => {
    const file = await openPart(joinLocation(examination.dir, name));
    try {
      await work(file);
    } finally {
      await file.close();
    }
  });
}
