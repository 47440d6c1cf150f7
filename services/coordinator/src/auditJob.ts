import { Worker } from 'node:worker_threads';
import { jobSchedule } from '@maestro/data';
import { type AuditReport, type Job, type JobAudit, MaestroError, parseJobSpec } from '@maestro/protocol';
import type { AuditInput } from './audit.ts';
import type { Store } from './store.ts';

/**
 * Audits a job's ledger as it is now, in a thread of its own: an epoch of ImageNet takes seconds, and workers must not wait.
 * @throws MaestroError `not-found` when the job has no ledger yet, `redis-unavailable`.
 */
export async function auditJob(store: Store, { id: jobId, name, state, specJson }: Job): Promise<JobAudit> {
  const ledger = await store.loadLedger(jobId);
  if (ledger === undefined)
    throw new MaestroError('not-found', `audit: job ${jobId} has no ledger: it is ${state} and no worker took data`);
  const spec = parseJobSpec(JSON.parse(specJson));
  const ledgerBytes = await store.ledgerBytes(jobId);
  const report = await inThread({ schedule: jobSchedule(spec, ledger.samples), seed: spec.seed, ledger });
  return { jobId, name, state, ledgerBytes, ...report };
}

function inThread(input: AuditInput): Promise<AuditReport> {
  const worker = new Worker(new URL('./auditThread.js', import.meta.url), { workerData: input });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new MaestroError('internal', `internal: the audit's thread ended with code ${code}`)));
  });
}
