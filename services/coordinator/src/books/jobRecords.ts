import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorMessage, type Job } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { createBackOff } from '../run/backOff.ts';

/** A job as stored on disk. */
export interface JobRecordFile {
  readonly job: Job;
  /** Absent until a run was saved. */
  readonly run?: unknown;
  /** Idempotency key of its submit; absent when there was none. */
  readonly key?: string;
}

/**
 * Stores the jobs of a cluster in one small file each, in addition to Redis: even if Redis is emptied, or evicts keys, no accepted job and
 * no result is lost. Redis takes precedence; a file is written after Redis has the same record, so that it never holds an unannounced
 * decision.
 */
export interface JobRecords {
  /** Loads all readable records, oldest first. Unreadable ones stay in place and are logged. */
  load(): Promise<JobRecordFile[]>;
  /** Writes the record of a new job. Resolves when it is on disk, when that failed, or after a while; it is then retried. */
  add(record: JobRecordFile): Promise<void>;
  /** Returns the idempotency key that a job was submitted with. */
  keyOf(jobId: string): string | undefined;
  /**
   * Notes a record that Redis has: it is written when it differs from the file in more than its progress. An `undefined` run stays as it
   * was.
   */
  note(job: Job, run: unknown): void;
  /** Stores the ledger of an ended job. */
  saveLedger(jobId: string, fields: Readonly<Record<string, string>>): Promise<void>;
  /** Loads the stored ledger of a job, also a retired one; undefined when there is none. */
  loadLedger(jobId: string): Promise<Readonly<Record<string, string>> | undefined>;
  /**
   * Retires a job that is no longer listed: its files move to the folder `retired`, where {@link JobRecords.recall} finds them. Returns
   * false while its last record is not on disk yet; call again then.
   */
  retire(job: Job, run: unknown): Promise<boolean>;
  /** Loads the record of a retired job; undefined when there is none, or it cannot be read. */
  recall(jobId: string): Promise<JobRecordFile | undefined>;
  /** Returns why records are not on disk, and since when; undefined while all are. */
  problem(): string | undefined;
  /** Resolves when all pending records are on disk, or cannot be written now. */
  close(): Promise<void>;
}

/** Limits concurrent writes. */
const MOST_WRITES = 4;
const MOST_READS = 64;
/** Maximum time that a new job waits for its file; a hanging disk delays a submit no longer. */
const ADD_PATIENCE_MS = 2000;
/** Matches generated ids; nothing else is used in a path. */
const JOB_ID = /^job-[0-9a-z]+$/;

/** Opens the records below `dataDir`. */
export async function openJobRecords({ dataDir, log }: { readonly dataDir: string; readonly log: Logger }): Promise<JobRecords> {
  const dir = join(dataDir, 'records');
  const fileOf = (jobId: string): string => join(dir, `${jobId}.json`);
  const ledgerOf = (jobId: string): string => join(dir, `${jobId}.ledger.json`);
  const pending = new Map<string, JobRecordFile>();
  const written = new Map<string, { readonly essence: string; readonly run: unknown }>();
  const keys = new Map<string, string>();
  const writing = new Set<string>();
  const waiters = new Map<string, Set<() => void>>();
  const pumps = new Set<Promise<void>>();
  const backOff = createBackOff({ firstMs: 500, longestMs: 30_000 });
  let failure: string | undefined;
  let isClosed = false;

  const retiredDir = join(dir, 'retired');
  const retiredPath = (path: string): string => join(retiredDir, basename(path));
  const keyField = (jobId: string): Pick<JobRecordFile, 'key'> => {
    const key = keys.get(jobId);
    return key === undefined ? {} : { key };
  };
  /** Returns false when there is no such file. */
  const moveToRetired = async (path: string): Promise<boolean> => {
    try {
      await rename(path, retiredPath(path));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return false;
    }
  };

  const write = async (path: string, value: unknown): Promise<void> => {
    await mkdir(dir, { recursive: true });
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(value)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  };
  const tell = (jobId: string): void => {
    for (const done of waiters.get(jobId) ?? []) done();
    waiters.delete(jobId);
  };
  /** Writes the first pending record that no other pump is writing; false when there is none. */
  const writeNext = async (): Promise<boolean> => {
    for (const [jobId, record] of pending) {
      if (writing.has(jobId)) continue;
      pending.delete(jobId);
      writing.add(jobId);
      try {
        await write(fileOf(jobId), record);
        written.set(jobId, { essence: essenceOf(record), run: record.run });
      } catch (error) {
        if (!pending.has(jobId)) pending.set(jobId, record);
        throw error;
      } finally {
        writing.delete(jobId);
        tell(jobId);
      }
      return true;
    }
    return false;
  };
  const writeAll = async (): Promise<void> => {
    for (;;) {
      try {
        if (!(await writeNext())) return;
        if (failure !== undefined) log.info({ dir }, 'job records are written again');
        failure = undefined;
        backOff.reset();
      } catch (error) {
        if (failure === undefined) log.error({ dir, error }, 'job records cannot be written; they are tried again');
        failure ??= `since ${new Date().toISOString()} job records cannot be written to ${dir}: ${errorMessage(error)}`;
        if (isClosed) return;
        await backOff.wait();
      }
    }
  };
  const pump = (): void => {
    // While the disk fails, only one pump retries.
    if (pumps.size >= (failure === undefined ? MOST_WRITES : 1)) return;
    const running: Promise<void> = writeAll().finally(() => {
      pumps.delete(running);
    });
    pumps.add(running);
  };
  const put = (record: JobRecordFile): void => {
    pending.set(record.job.id, record);
    pump();
  };

  const readRecord = async (name: string): Promise<JobRecordFile[]> => {
    try {
      const record = JSON.parse(await readFile(join(dir, name), 'utf8')) as JobRecordFile;
      const { job, key } = record;
      if (`${job?.id}.json` !== name || typeof job.specJson !== 'string') throw new Error('it is no record of this job');
      written.set(job.id, { essence: essenceOf(record), run: record.run });
      if (key !== undefined) keys.set(job.id, key);
      return [record];
    } catch (error) {
      log.error({ file: join(dir, name), reason: errorMessage(error) }, 'a job record cannot be read, and is left where it is');
      return [];
    }
  };

  return {
    async load() {
      const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      });
      const wanted = names.filter((name) => name.endsWith('.json') && !name.endsWith('.ledger.json')).sort();
      const records: JobRecordFile[] = [];
      for (let first = 0; first < wanted.length; first += MOST_READS) {
        records.push(...(await Promise.all(wanted.slice(first, first + MOST_READS).map(readRecord))).flat());
      }
      return records;
    },
    async add(record) {
      const { id } = record.job;
      if (record.key !== undefined) keys.set(id, record.key);
      const done = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ADD_PATIENCE_MS);
        const settle = (): void => {
          clearTimeout(timer);
          resolve();
        };
        waiters.set(id, (waiters.get(id) ?? new Set()).add(settle));
      });
      put(record);
      await done;
    },
    keyOf: (jobId) => keys.get(jobId),
    note(job, record) {
      const known = written.get(job.id);
      const run = record ?? pending.get(job.id)?.run ?? known?.run;
      const next = { job, ...(run !== undefined && { run }), ...keyField(job.id) };
      if (pending.has(job.id) || known?.essence !== essenceOf(next)) put(next);
    },
    saveLedger: (jobId, fields) => write(ledgerOf(jobId), fields),
    loadLedger: async (jobId) => {
      const fields = (await readJson(ledgerOf(jobId))) ?? (await readJson(retiredPath(ledgerOf(jobId))));
      return fields as Record<string, string> | undefined;
    },
    async retire(job, run) {
      const { id } = job;
      if (pending.has(id) || writing.has(id)) return false;
      await mkdir(retiredDir, { recursive: true });
      await moveToRetired(ledgerOf(id));
      // Somebody may have removed the file: then write the known record.
      if (!(await moveToRetired(fileOf(id)))) await write(retiredPath(fileOf(id)), { job, run, ...keyField(id) });
      await rm(`${fileOf(id)}.new`, { force: true });
      written.delete(id);
      keys.delete(id);
      return true;
    },
    async recall(jobId) {
      if (!JOB_ID.test(jobId)) return undefined;
      const record = (await readJson(retiredPath(fileOf(jobId)))) as JobRecordFile | undefined;
      return record?.job?.id === jobId && typeof record.job.specJson === 'string' ? record : undefined;
    },
    problem: () => failure,
    async close() {
      isClosed = true;
      backOff.cut();
      await Promise.all(pumps);
    },
  };
}

/** Returns the part of a record worth a write: not its progress, which is in the ledger and checkpoints. */
function essenceOf({ job: { state, generation, checkpoints = [], endedAt, results } }: JobRecordFile): string {
  return JSON.stringify([state, generation, checkpoints.at(-1), endedAt, results]);
}

/** Reads a file; undefined when it is missing or not JSON. */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}
