import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import { folderStep } from './folderNames.ts';
import { MANIFEST_FILE, type Manifest, parseManifest, STATE_FILE } from './manifest.ts';
import { storageError } from './storageError.ts';

/** One thing that makes a checkpoint invalid. */
export interface CheckpointProblem {
  /** The file it is in. */
  readonly file: string;
  /** What is wrong, continuing the file's name: "is missing". */
  readonly message: string;
}

/** What an examination of a checkpoint found. */
export interface CheckpointReport {
  readonly dir: string;
  /** True when nothing is wrong: every byte is the one that was written. */
  readonly valid: boolean;
  readonly problems: readonly CheckpointProblem[];
  /** Files that the manifest does not know: harmless, and not part of the checkpoint. */
  readonly extraFiles: readonly string[];
  /** As the manifest says; undefined when it cannot be read. */
  readonly step: number | undefined;
  readonly checkpointHash: string | undefined;
  readonly sizeBytes: number | undefined;
}

/** An examination under way: what is known so far, and where to put what is found. */
export interface Examination {
  readonly dir: string;
  readonly manifest: Manifest | undefined;
  readonly extraFiles: readonly string[];
  readonly problems: CheckpointProblem[];
  /** The manifest's files that are there with the size it says: only these are worth reading. */
  readonly readable: ReadonlySet<string>;
}

/** Begins to examine a checkpoint: manifest, presence and size of the files; nothing large is read. */
export async function beginExamination(dir: string): Promise<Examination> {
  const names = await readdir(dir).catch((cause: NodeJS.ErrnoException) => {
    const code = cause.code === 'ENOENT' || cause.code === 'ENOTDIR' ? 'not-found' : 'storage';
    throw new MaestroError(code, `checkpoint ${dir}: ${cause.code === 'ENOENT' ? 'there is no such folder' : cause.message}`, { cause });
  });
  const problems: CheckpointProblem[] = [];
  const readable = new Set<string>();
  if (!names.includes(MANIFEST_FILE)) {
    problems.push({ file: MANIFEST_FILE, message: 'is missing, so the checkpoint was never finished' });
    return { dir, manifest: undefined, extraFiles: [], problems, readable };
  }
  const manifest = await attempt(problems, MANIFEST_FILE, async () => parseManifest(await readFile(join(dir, MANIFEST_FILE))));
  if (manifest === undefined) return { dir, manifest, extraFiles: [], problems, readable };

  const step = folderStep(basename(dir));
  if (step !== undefined && step !== manifest.step) {
    problems.push({ file: MANIFEST_FILE, message: `is of step ${manifest.step}, the folder's name says ${step}` });
  }
  for (const [file, { sizeBytes }] of Object.entries(manifest.files)) {
    // Retention may remove it between the two looks.
    const found = names.includes(file) ? await sizeOf(join(dir, file)) : undefined;
    if (found === undefined) problems.push({ file, message: 'is missing' });
    else if (found === sizeBytes) readable.add(file);
    else problems.push({ file, message: `has ${found} bytes, the manifest says ${sizeBytes}` });
  }
  const extraFiles = names.filter((name) => name !== MANIFEST_FILE && manifest.files[name] === undefined).sort();
  return { dir, manifest, extraFiles, problems, readable };
}

/** In bytes; undefined when there is no such file. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw storageError(error, `looking at ${path}`);
  }
}

/** Ends an examination. */
export function reportOf({ dir, manifest, extraFiles, problems }: Examination): CheckpointReport {
  const sizeBytes = manifest && Object.values(manifest.files).reduce((total, file) => total + file.sizeBytes, 0);
  return {
    dir,
    valid: problems.length === 0,
    problems,
    extraFiles,
    step: manifest?.step,
    checkpointHash: manifest?.checkpointHash,
    sizeBytes,
  };
}

/** The findings as one sentence: "model.safetensors is missing; state.json has 10 bytes, the manifest says 12". */
export function describeProblems(problems: readonly CheckpointProblem[]): string {
  return problems.map(({ file, message }) => `${file} ${message}`).join('; ');
}

/** Runs `read` and notes a problem of the file, instead of failing, when its content is invalid or it cannot be read. */
export async function attempt<T>(problems: CheckpointProblem[], file: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const isSystemError = typeof (error as NodeJS.ErrnoException).syscall === 'string';
    const isContentError = error instanceof SyntaxError || isMaestroError(error, 'checkpoint-invalid');
    if (!isSystemError && !isContentError) throw error;
    problems.push({ file, message: isSystemError ? `cannot be read: ${errorMessage(error)}` : errorMessage(error) });
    return undefined;
  }
}

/** Notes a file whose SHA-256 is not the manifest's. */
export function compareDigest({ manifest, problems }: Examination, file: string, sha256: string): void {
  const expected = manifest?.files[file]?.sha256;
  if (sha256 !== expected) problems.push({ file, message: `has SHA-256 ${sha256}, the manifest says ${expected}` });
}

/** Reads and checks `state.json`. */
export async function readState(examination: Examination): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { dir, manifest, problems } = examination;
  return attempt(problems, STATE_FILE, async () => {
    const bytes = await readFile(join(dir, STATE_FILE));
    const before = problems.length;
    compareDigest(examination, STATE_FILE, createHash('sha256').update(bytes).digest('hex'));
    if (problems.length > before) return undefined;
    const state = JSON.parse(bytes.toString()) as Readonly<Record<string, unknown>> | null;
    if (state !== null && state.step === manifest?.step) return state;
    throw new MaestroError('checkpoint-invalid', `is of step ${state?.step}, the manifest says ${manifest?.step}`);
  });
}
