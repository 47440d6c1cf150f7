import { type FileHandle, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../archive/syncFolder.ts';
import type { LogPosition } from './jobLog.ts';

/**
 * State of the archive: the last archived entry of the stream, the next sequence number of each process, and the position in each job's
 * files.
 */
export interface ArchiveState {
  readonly streamId: string;
  readonly sources: Readonly<Record<string, number>>;
  readonly jobs: Readonly<Record<string, LogPosition>>;
}

/** Durable record of the archiver's progress. One line per commit, with the changes; a line torn by a crash does not count. */
export interface Journal {
  /** Persists the change, so that it survives a crash. */
  commit(change: ArchiveState): Promise<void>;
  close(): Promise<void>;
}

/** Size at which the journal is rewritten as one line. */
const LONGEST_BYTES = 1024 * 1024;
/** Silence after which a process is forgotten, in milliseconds. */
const KEPT_MS = 24 * 3600 * 1000;

/** Opens the journal at `path`, and returns its current state. */
export async function openJournal(path: string): Promise<{ readonly journal: Journal; readonly state: ArchiveState }> {
  await mkdir(dirname(path), { recursive: true });
  const held = await readJournal(path);
  const started = stateOf(held);
  /** Time of the last entry of each process and job; those read from disk count as now. */
  const heardMs = new Map([...held.sources.keys(), ...held.jobs.keys()].map((name) => [name, Date.now()]));
  let file: FileHandle;
  let bytes: number;
  /** Set when a commit has failed half way: anything appended after it would not be found. */
  let isTorn = false;

  const rewrite = async (): Promise<void> => {
    const oldestMs = Date.now() - KEPT_MS;
    for (const [name, ms] of heardMs) {
      if (ms >= oldestMs) continue;
      for (const names of [held.sources, held.jobs, heardMs]) names.delete(name);
    }
    const line = `${JSON.stringify(stateOf(held))}\n`;
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
        merge(held, change);
        bytes += line.length;
        if (bytes > LONGEST_BYTES) await rewrite();
      },
      close: () => file.close(),
    },
  };
}

/** {@link ArchiveState} held as maps: a commit costs as much as it changes, however many jobs there are. */
interface HeldState {
  streamId: string;
  readonly sources: Map<string, number>;
  readonly jobs: Map<string, LogPosition>;
}

function merge(held: HeldState, { streamId, sources, jobs }: ArchiveState): void {
  held.streamId = streamId;
  for (const [name, next] of Object.entries(sources)) held.sources.set(name, next);
  for (const [name, position] of Object.entries(jobs)) held.jobs.set(name, position);
}

function stateOf({ streamId, sources, jobs }: HeldState): ArchiveState {
  return { streamId, sources: Object.fromEntries(sources), jobs: Object.fromEntries(jobs) };
}

async function readJournal(path: string): Promise<HeldState> {
  const held: HeldState = { streamId: '0-0', sources: new Map(), jobs: new Map() };
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return held;
    throw error;
  }
  for (const line of text.split('\n')) {
    try {
      if (line !== '') merge(held, JSON.parse(line) as ArchiveState);
    } catch {
      break; // Torn, so nothing committed follows it.
    }
  }
  return held;
}
