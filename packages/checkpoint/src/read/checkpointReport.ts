import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { errorMessage, isMaestroError, MaestroError, printable } from '@maestro/protocol';
import { isUrl, joinLocation, lastName, openStorage, readStored, type StoredObject } from '@maestro/storage';
import { MANIFEST_FILE, type Manifest, parseManifest, STATE_FILE } from '../format/manifest.ts';
import { folderStep } from '../write/folderNames.ts';

/** A reason why a checkpoint is invalid. */
export interface CheckpointProblem {
  /** The affected file. */
  readonly file: string;
  /** The problem, continuing the file's name: "is missing". */
  readonly message: string;
}

/** A file of a checkpoint, as listed in its manifest. */
export interface CheckedFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** True when no problem was found in it. */
  readonly valid: boolean;
}

/** Findings of the examination of a checkpoint. */
export interface CheckpointReport {
  readonly dir: string;
  /** True when nothing is wrong: every byte is as it was written. */
  readonly valid: boolean;
  readonly problems: readonly CheckpointProblem[];
  /** Files missing from the manifest: harmless, and not part of the checkpoint. */
  readonly extraFiles: readonly string[];
  /** According to the manifest; undefined when it cannot be read. */
  readonly step: number | undefined;
  readonly checkpointHash: string | undefined;
  readonly sizeBytes: number | undefined;
  /** The files that the manifest lists, in name order; none when it cannot be read. */
  readonly files: readonly CheckedFile[];
}

/** An examination in progress: the findings so far. */
export interface Examination {
  readonly dir: string;
  readonly manifest: Manifest | undefined;
  /** Files that exist, by name. */
  readonly files: ReadonlyMap<string, StoredObject>;
  readonly extraFiles: readonly string[];
  readonly problems: CheckpointProblem[];
  /** Files of the manifest that exist with the right size: only these are worth reading. */
  readonly readable: ReadonlySet<string>;
}

/** Begins to examine a checkpoint: manifest, presence and size of the files; reads nothing large. */
export async function beginExamination(dir: string): Promise<Examination> {
  const files = new Map((await openStorage(dir).list()).map((file) => [file.name, file]));
  if (files.size === 0 && !(await isFolder(dir))) throw new MaestroError('not-found', `checkpoint ${dir}: no such folder`);
  const problems: CheckpointProblem[] = [];
  const readable = new Set<string>();
  if (!files.has(MANIFEST_FILE)) {
    await requireNoRoot(dir);
    problems.push({ file: MANIFEST_FILE, message: 'is missing, so the checkpoint was never finished' });
    return { dir, manifest: undefined, files, extraFiles: [], problems, readable };
  }
  const manifest = await attempt(problems, MANIFEST_FILE, async () => parseManifest(await readStored(joinLocation(dir, MANIFEST_FILE))));
  if (manifest === undefined) return { dir, manifest, files, extraFiles: [], problems, readable };

  const step = folderStep(lastName(dir));
  if (step !== undefined && step !== manifest.step) {
    problems.push({ file: MANIFEST_FILE, message: `is of step ${manifest.step}, the folder's name says ${step}` });
  }
  for (const [file, { sizeBytes }] of Object.entries(manifest.files)) {
    const found = files.get(file)?.sizeBytes;
    if (found === undefined) problems.push({ file, message: 'is missing' });
    else if (found === sizeBytes) readable.add(file);
    else problems.push({ file, message: `has ${found} bytes, the manifest says ${sizeBytes}` });
  }
  const extraFiles = [...files.keys()].filter((name) => name !== MANIFEST_FILE && manifest.files[name] === undefined).sort();
  return { dir, manifest, files, extraFiles, problems, readable };
}

/** Throws for the folder of a job, or of all its checkpoints, which is not a checkpoint itself. */
async function requireNoRoot(dir: string): Promise<void> {
  if (isUrl(dir)) return;
  const inside = await readdir(dir).catch((): string[] => []);
  const below = inside.includes('checkpoints') ? joinLocation(dir, 'checkpoints') : dir;
  const steps = (below === dir ? inside : await readdir(below).catch((): string[] => [])).filter((name) => folderStep(name) !== undefined);
  const newest = steps.sort().at(-1);
  if (newest === undefined) return;
  throw new MaestroError(
    'invalid-argument',
    `checkpoint ${dir}: it is a folder of checkpoints, not a checkpoint; name one, such as ${joinLocation(below, newest)}, or the job`,
  );
}

/** A folder may exist and be empty; below a URL there are only objects. */
async function isFolder(dir: string): Promise<boolean> {
  return (
    !isUrl(dir) &&
    (await stat(dir).then(
      (found) => found.isDirectory(),
      () => false,
    ))
  );
}

/** Concludes an examination with its report. */
export function reportOf({ dir, manifest, extraFiles, problems }: Examination): CheckpointReport {
  const bad = new Set(problems.map(({ file }) => file));
  const files = Object.entries(manifest?.files ?? {}).map(([name, file]) => ({ name, ...file, valid: !bad.has(name) }));
  const sizeBytes = manifest && files.reduce((total, file) => total + file.sizeBytes, 0);
  return {
    dir,
    valid: problems.length === 0,
    problems,
    extraFiles,
    step: manifest?.step,
    checkpointHash: manifest?.checkpointHash,
    sizeBytes,
    files,
  };
}

/** Formats the findings as one sentence: "model.safetensors is missing; state.json has 10 bytes, the manifest says 12". */
export function describeProblems(problems: readonly CheckpointProblem[]): string {
  return problems.map(({ file, message }) => `${file} ${message}`).join('; ');
}

/**
 * Runs `read` and records a problem of the file, instead of throwing, when its content is invalid or it cannot be read. An unresponsive
 * server is not a problem of the file: passing over a checkpoint for that would lose steps.
 */
export async function attempt<T>(problems: CheckpointProblem[], file: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const cause = isMaestroError(error) ? error.cause : error;
    const isSystemError = typeof (cause as NodeJS.ErrnoException | undefined)?.syscall === 'string' || isMaestroError(error, 'not-found');
    const isContentError = error instanceof SyntaxError || isMaestroError(error, 'checkpoint-invalid');
    if (!isSystemError && !isContentError) throw error;
    problems.push({ file, message: isSystemError ? `cannot be read: ${errorMessage(error)}` : errorMessage(error) });
    return undefined;
  }
}

/** Records a file whose SHA-256 differs from the manifest's. */
export function compareDigest({ manifest, problems }: Examination, file: string, sha256: string): void {
  const expected = manifest?.files[file]?.sha256;
  if (sha256 !== expected) problems.push({ file, message: `has SHA-256 ${sha256}, the manifest says ${expected}` });
}

/** Records a checkpoint in the folder of `job` that another job wrote: folders may have been moved or restored to the wrong place. */
export async function requireWriter(examination: Examination, job: string | undefined): Promise<void> {
  if (job === undefined || !examination.readable.has(STATE_FILE)) return;
  const before = examination.problems.length;
  const state = await readState(examination);
  if (examination.problems.length > before || state === undefined || state['job'] === job) return;
  const message = `was written by ${writerOf(state)}, not by ${job}, in whose folder it lies: put the job's own checkpoints back`;
  examination.problems.push({ file: STATE_FILE, message });
}

/** Names the job that wrote a checkpoint, with its name when known. */
function writerOf({ job, spec }: Readonly<Record<string, unknown>>): string {
  if (typeof job !== 'string') return 'an unknown job';
  const name = typeof spec === 'object' && spec !== null && 'name' in spec ? spec.name : undefined;
  return typeof name === 'string' ? `${printable(job)} ("${printable(name)}")` : printable(job);
}

/** Reads and validates `state.json`. */
export async function readState(examination: Examination): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { dir, manifest, problems } = examination;
  return attempt(problems, STATE_FILE, async () => {
    const bytes = await readStored(joinLocation(dir, STATE_FILE));
    const before = problems.length;
    compareDigest(examination, STATE_FILE, createHash('sha256').update(bytes).digest('hex'));
    if (problems.length > before) return undefined;
    const state = JSON.parse(Buffer.from(bytes).toString()) as Readonly<Record<string, unknown>> | null;
    if (state !== null && state.step === manifest?.step) return state;
    throw new MaestroError('checkpoint-invalid', `is of step ${state?.step}, the manifest says ${manifest?.step}`);
  });
}
