import { isTerminal, type Job } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { JobRun } from '../run/state/runState.ts';
import type { JobRecordFile, JobRecords } from './jobRecords.ts';
import type { Store, StoredJob } from './store.ts';
import { readJob, readRun } from './storedShapes.ts';

/** Options of keeping Redis and the record files consistent. */
export interface KeepRecordsOptions {
  readonly store: Store;
  readonly records: JobRecords;
  readonly log: Logger;
}

/** Number of records written to Redis at once. */
const BATCH = 100;

/**
 * Loads all jobs, oldest first, from Redis and from their files. Restores what Redis has lost: records, idempotency keys, the ledgers of
 * ended jobs, and an incarnation above all that jobs have seen.
 */
export async function recoverJobs({ store, records, log }: KeepRecordsOptions): Promise<StoredJob[]> {
  const inRedis = await readable(store);
  // A file that is not a record stays in place.
  const files = (await records.load()).filter(({ job, run }) => {
    const found = [readJob(job.id, job), ...(run === undefined ? [] : [readRun(job.id, run)])].find((read) => 'problem' in read);
    if (found !== undefined) log.error({ job: job.id, ...found }, 'a job record on disk cannot be read, and is left where it is');
    return found === undefined;
  });
  const { jobs, lost } = mergeRecords(inRedis, files);
  if (lost.length > 0) {
    log.warn({ jobs: lost.length, first: lost[0]!.job.id }, 'Redis has lost jobs; they are put back from their files');
    for (let first = 0; first < lost.length; first += BATCH) await store.saveAll(lost.slice(first, first + BATCH));
    for (const { job, key } of lost) if (key !== undefined) await store.reserveKey(key, job.id);
    const seen = Math.max(...lost.map(({ run }) => (run as JobRun | undefined)?.incarnation ?? 0));
    if (seen >= store.incarnation) await store.raiseIncarnation(seen);
  }
  for (const { job, run } of jobs) records.note(job, run);
  await restoreLedgers(
    { store, records, log },
    jobs.map(({ job }) => job),
  );
  return jobs;
}

/** Loads the jobs in Redis; invalid records are set aside, and a job without its run restarts from its checkpoints. */
async function readable(store: Store): Promise<StoredJob[]> {
  const found: StoredJob[] = [];
  for (const { job, run } of await store.loadJobs()) {
    const read = readJob(job.id, job);
    if ('problem' in read) {
      await store.setAside('job', job.id, read.problem);
      continue;
    }
    const readOfRun = run === undefined ? undefined : readRun(job.id, run);
    if (readOfRun !== undefined && 'problem' in readOfRun) await store.setAside('run', job.id, readOfRun.problem);
    found.push({ job: read.value, run: readOfRun !== undefined && 'value' in readOfRun ? readOfRun.value : undefined });
  }
  return found;
}

/**
 * Merges records. Redis takes precedence, since a file is written after it; but a job that has ended by its file has ended: Redis may have
 * lost its last second. `lost` holds the records to restore in Redis.
 */
export function mergeRecords(
  inRedis: readonly StoredJob[],
  files: readonly JobRecordFile[],
): { readonly jobs: StoredJob[]; readonly lost: (StoredJob & JobRecordFile)[] } {
  const known = new Map(inRedis.map((stored) => [stored.job.id, stored]));
  const lost = files.flatMap((file) => {
    const { job, run } = file;
    const stored = known.get(job.id);
    const isLost = stored === undefined || (isTerminal(job.state) && !isTerminal(stored.job.state));
    return isLost ? [{ ...file, run }] : [];
  });
  for (const { job, run } of lost) known.set(job.id, { job, run });
  const jobs = [...known.values()].sort((a, b) => (a.job.id < b.job.id ? -1 : 1));
  return { jobs, lost };
}

/** Rewrites records that Redis has lost while this coordinator was running. A booked job has a bookkeeper, which does that itself. */
export async function rewriteRecords(
  { store, records, log }: KeepRecordsOptions,
  jobs: ReadonlyMap<string, { readonly job: Job; readonly run: JobRun; readonly isBooked: boolean }>,
): Promise<void> {
  const missing = await store.missingJobs();
  log.error({ jobs: missing.length }, 'Redis has lost what was written to it, though it was there; it is written again');
  for (let first = 0; first < missing.length; first += BATCH) {
    // Current values: nothing newer may be overwritten.
    const batch = missing.slice(first, first + BATCH).flatMap((id) => jobs.get(id) ?? []);
    await store.saveAll(batch.filter(({ isBooked }) => !isBooked).map(({ job, run }) => ({ job, run })));
    await Promise.all(batch.map(({ job }) => restoreKey({ store, records }, job.id)));
  }
  await restoreLedgers(
    { store, records, log },
    [...jobs.values()].map(({ job }) => job),
  );
}

async function restoreKey({ store, records }: Pick<KeepRecordsOptions, 'store' | 'records'>, jobId: string): Promise<void> {
  const key = records.keyOf(jobId);
  if (key !== undefined) await store.reserveKey(key, jobId);
}

/** Stores the ledger of an ended job, so that it can be audited without Redis. */
export async function keepLedger({ store, records, log }: KeepRecordsOptions, jobId: string): Promise<void> {
  const fields = await store.readLedgerFields(jobId);
  if (Object.keys(fields).length === 0) return;
  await records
    .saveLedger(jobId, fields)
    .catch((error: unknown) => log.warn({ job: jobId, error }, 'the ledger could not be kept on disk'));
}

async function restoreLedgers({ store, records, log }: KeepRecordsOptions, jobs: readonly Job[]): Promise<void> {
  const ended = jobs.filter(({ state }) => isTerminal(state)).map(({ id }) => id);
  let restored = 0;
  for (const id of await store.withoutLedger(ended)) {
    const fields = await records.loadLedger(id);
    if (fields === undefined) continue;
    await store.restoreLedger(id, fields);
    restored++;
  }
  if (restored > 0) log.warn({ jobs: restored }, 'ledgers that Redis had lost are put back');
}
