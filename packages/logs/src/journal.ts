import { type FileHandle, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LogPosition } from './jobLog.ts';
import { syncFolder } from './syncFolder.ts';

/** What is archived: the last entry of the stream, the number of the next line of each process, and how far each job's files go. */
export interface ArchiveState {
  readonly streamId: string;
  readonly sources: Readonly<Record<string, number>>;
  readonly jobs: Readonly<Record<string, LogPosition>>;
}

/** The record of what is archived. One line a commit, each with what has changed; a line that a crash has torn does not count. */
export interface Journal {
  /** Makes the change hold, crash or not. */
  commit(change: ArchiveState): Promise<void>;
  close(): Promise<void>;
}

/** Bytes after which the journal is written anew, as one line. */
const LONGEST_BYTES = 1024 * 1024;
/** A process that has been silent for longer is forgotten, in milliseconds. */
const KEPT_MS = 24 * 3600 * 1000;

const EMPTY: ArchiveState = { streamId: '0-0', sources: {}, jobs: {} };

/** Opens the journal at `path`, and gives the state in which it is. */
export async function openJournal(path: string): Promise<{ readonly journal: Journal; readonly state: ArchiveState }> {
  await mkdir(dirname(path), { recursive: true });
  const started = await readJournal(path);
  let state = started;
  /** When each process and job was last heard of; what was read counts as now. */
  const heardMs = new Map([...Object.keys(state.sources), ...Object.keys(state.jobs)].map((name) => [name, Date.now()]));
  let file: FileHandle;
  let bytes: number;
  /** A commit has failed half way: what is appended behind it would not be found. */
  let isTorn = false;

  const rewrite = async (): Promise<void> => {
    const oldestMs = Date.now() - KEPT_MS;
    const recent = <Value>(values: Readonly<Record<string, Value>>): Record<string, Value> =>
      Object.fromEntries(Object.entries(values).filter(([name]) => (heardMs.get(name) ?? 0) >= oldestMs));
    state = { ...state, sources: recent(state.sources), jobs: recent(state.jobs) };
    const line = `${JSON.stringify(state)}\n`;
    const aside = `${path}.new`;
    await writeFile(aside, line, { flush: true });
    await rename(aside, path);
    await syncFolder(dirname(path));
    const next = await open(path, 'a');
    await file?.close();
    file = next;
    bytes = line.length;
  };
  await rewrite();

  return {
    state: started,
    journal: {
      async commit(change) {
        for (const name of [...Object.keys(change.sources), ...Object.keys(change.jobs)]) heardMs.set(name, Date.now());
        if (isTorn) await rewrite();
        isTorn = true;
        const line = `${JSON.stringify(change)}\n`;
        await file.appendFile(line);
        await file.datasync();
        isTorn = false;
        state = merge(state, change);
        bytes += line.length;
        if (bytes > LONGEST_BYTES) await rewrite();
      },
      close: () => file.close(),
    },
  };
}

function merge(state: ArchiveState, change: ArchiveState): ArchiveState {
  return { streamId: change.streamId, sources: { ...state.sources, ...change.sources }, jobs: { ...state.jobs, ...change.jobs } };
}

async function readJournal(path: string): Promise<ArchiveState> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return EMPTY;
    throw error;
  }
  let state = EMPTY;
  for (const line of text.split('\n')) {
    try {
      if (line !== '') state = merge(state, JSON.parse(line) as ArchiveState);
    } catch {
      break; // Torn, so nothing follows it that was committed.
    }
  }
  return state;
}
