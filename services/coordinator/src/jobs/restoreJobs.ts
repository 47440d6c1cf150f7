import {
  errorMessage,
  type FormerProgress,
  isLoaded,
  isTerminal,
  type Job,
  type JobProgress,
  type JobSpec,
  metricsOf,
  readStoredSpec,
  recipeOf,
  standInFor,
} from '@maestro/protocol';
import { type KeepRecordsOptions, recoverJobs } from '../books/keepRecords.ts';
import { type JobRun, queuedRun } from '../run/state/runState.ts';
import { readLedgerProgress } from '../run/step/brokenImages.ts';
import type { LedgerProgress } from '../run/step/brokenRecord.ts';
import { type Admission, parseJobFile } from './admission.ts';
import { withHeld } from './jobView.ts';

/** Number of jobs read at once. */
const AT_ONCE = 100;

/** A job of an earlier coordinator. */
export interface RestoredJob {
  readonly job: Job;
  readonly spec: JobSpec;
  readonly run: JobRun;
  /** Progress of its ledger; absent when it has none, or has ended. */
  readonly ledger?: LedgerProgress;
  /** Reason why it cannot continue; absent when it can. */
  readonly fault?: string;
  /** Reason why it waits for a coordinator that is set up otherwise; absent when it does not. */
  readonly held?: string;
}

/**
 * Loads the jobs in Redis and the record files, whatever else is there: an invalid record is set aside and logged, and a job whose run is
 * lost with it resumes from its newest checkpoint. No content of Redis prevents a coordinator from starting.
 */
export async function restoreJobs({
  admission,
  ...keeping
}: KeepRecordsOptions & { readonly admission: Admission }): Promise<RestoredJob[]> {
  const { store } = keeping;
  const restored: RestoredJob[] = [];
  let seen = 0;
  const stored = await recoverJobs(keeping);
  for (let first = 0; first < stored.length; first += AT_ONCE) {
    const batch = stored.slice(first, first + AT_ONCE).map(async ({ job, run }) => {
      const next = await restoreJob(job, run as JobRun | undefined, admission);
      if (next.run.phase === 'ended') return next;
      await store.requireLedger(job.id);
      const ledger = await readLedgerProgress(store, next.run);
      return { ...next, ...(ledger !== undefined && { ledger }) };
    });
    restored.push(...(await Promise.all(batch)));
  }
  for (const { run } of restored) seen = Math.max(seen, run.incarnation ?? 0);
  if (seen > store.incarnation) await store.raiseIncarnation(seen);
  return restored;
}

/** Restores one job. An ended job needs no admission. */
export async function restoreJob(job: Job, kept: JobRun | undefined, admission: Admission): Promise<RestoredJob> {
  const { id, createdAt, message } = job;
  const isOver = isTerminal(job.state);
  const { spec: file, problem: held } = readStoredSpec(parseJobFile(job.specJson));
  // The run is written before the record.
  const isChosen = file.precision === 'auto' && kept?.choice !== undefined;
  const spec = isChosen ? { ...file, precision: kept.choice.precision } : file;
  if (!isLoaded(spec)) standInFor(spec, Object.keys(job.progress?.metrics ?? {}));
  let fault: string | undefined;
  let run = kept && withSpec(kept, spec);
  if (run === undefined) {
    const nothing = { path: '', step: 0 };
    const startPoint = isOver
      ? nothing
      : await admission.startPoint(spec).catch((error: unknown) => {
          // Judged again once its recipe is there.
          if (held !== undefined) return { path: spec.checkpoint.resumeFrom ?? '', step: 0 };
          fault = errorMessage(error);
          return nothing;
        });
    run = queuedRun({ id, spec, startPoint }, 0, Date.parse(createdAt));
  }
  return {
    // A record of an older version lacks newer fields.
    job: withHeld(
      {
        ...job,
        ...(isChosen && { specJson: JSON.stringify(spec) }),
        resourceVersion: job.resourceVersion ?? '0-0',
        progress: withMetrics(job.progress, spec),
      },
      held,
    ),
    spec,
    run: isOver ? { ...run, phase: 'ended', message } : run,
    ...(fault !== undefined && { fault }),
    ...(held !== undefined && { held }),
  };
}

/** Returns how many unfinished jobs wait for a coordinator that is set up otherwise, and all reasons; undefined when there are none. */
export function heldJobs(restored: readonly RestoredJob[]): { readonly jobs: number; readonly reason: string } | undefined {
  const reasons = restored.flatMap(({ held, run }) => (held === undefined || run.phase === 'ended' ? [] : [held]));
  return reasons.length === 0 ? undefined : { jobs: reasons.length, reason: [...new Set(reasons)].join('; ') };
}

/** Converts its progress. An older version had separate fields for loss and optimiser metrics, 0 when the recipe had none. */
function withMetrics(progress: JobProgress | (JobProgress & Required<FormerProgress>) | null, spec: JobSpec): JobProgress | null {
  if (progress === null || !('loss' in progress)) return progress;
  const { loss, lossFirst, lr: learningRate, gradNorm, ...others } = progress;
  const { series } = recipeOf(spec);
  const isAny = others.images > 0;
  return {
    ...others,
    metrics: isAny ? metricsOf(series, { loss, learningRate, gradNorm }) : {},
    firstMetrics: isAny ? metricsOf(series, { loss: lossFirst }) : {},
  };
}

/** Updates its job file: one of an older version lacks keys that have a default by now. */
function withSpec(run: JobRun, spec: JobSpec): JobRun {
  return { ...run, queuedMs: run.queuedMs ?? Date.now(), waitedMs: run.waitedMs ?? 0, facts: { ...run.facts, spec } };
}
