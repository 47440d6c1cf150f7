import { Worker } from 'node:worker_threads';
import { jobSchedule } from '@maestro/data';
import { type AuditReport, isTerminal, type Job, type JobAudit, MaestroError } from '@maestro/protocol';
import type { Store } from '../books/store.ts';
import type { JobRun } from '../run/state/runState.ts';
import type { AuditInput } from './audit.ts';

/** A job and its progress. */
export interface AuditedJob {
  readonly job: Job;
  readonly run: Pick<JobRun, 'step' | 'facts'>;
  /** Committed steps that are not in the ledger yet, and need not be. */
  readonly unwrittenSteps: number;
}

/**
 * Audits a job's current ledger in a separate thread: an epoch of ImageNet takes seconds, and workers must not wait.
 * @throws MaestroError `not-found` when the job has no ledger: not yet, or no longer. `redis-unavailable`.
 */
export async function auditJob(store: Pick<Store, 'loadLedger' | 'ledgerBytes'>, audited: AuditedJob): Promise<JobAudit> {
  const { id: jobId, name, state } = audited.job;
  const { spec } = audited.run.facts;
  const doneStep = knownSteps(audited);
  const ledger = await store.loadLedger(jobId);
  if (ledger === undefined) {
    const { step: startStep } = audited.run.facts.startPoint;
    const advice = isTerminal(state) ? ' Start the coordinator again: it puts back the ledgers of jobs that have ended' : '';
    const reason =
      doneStep > startStep
        ? `the record is gone: the job is ${state} and has done ${doneStep} steps, but Redis holds no ledger of it; was Redis ` +
          `emptied, or does it evict keys?${advice}`
        : `it is ${state} and no step of it is committed`;
    throw new MaestroError('not-found', `audit: job ${jobId} has no ledger: ${reason}`);
  }
  const schedule = jobSchedule(spec, ledger.samples);
  const ledgerBytes = await store.ledgerBytes(jobId);
  const dueStep = Math.max(doneStep, state === 'succeeded' ? schedule.totalSteps : 0);
  const report = await inThread({ schedule, seed: spec.seed, ledger, dueStep });
  return { jobId, name, state, ledgerBytes, ...report };
}

/** Returns the steps that the ledger must have: a running job's may lag behind its reports; for an ended job all known steps count. */
function knownSteps({ job: { state, progress, checkpoints }, run, unwrittenSteps }: AuditedJob): number {
  const committed = run.step - unwrittenSteps;
  if (unwrittenSteps > 0 || !isTerminal(state)) return committed;
  return Math.max(committed, progress?.step ?? 0, ...checkpoints.map(({ step }) => step));
}

function inThread(input: AuditInput): Promise<AuditReport> {
  const worker = new Worker(new URL('./auditThread.js', import.meta.url), { workerData: input });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new MaestroError('internal', `internal: the audit's thread ended with code ${code}`)));
  });
}
