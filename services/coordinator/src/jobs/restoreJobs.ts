import {
  errorMessage,
  type FormerProgress,
  isTerminal,
  type Job,
  type JobProgress,
  type JobSpec,
  metricsOf,
  parseJobSpec,
  recipeOf,
} from '@maestro/protocol';
import { type KeepRecordsOptions, recoverJobs } from '../books/keepRecords.ts';
import { type JobRun, queuedRun } from '../run/state/runState.ts';
import { readLedgerProgress } from '../run/step/brokenImages.ts';
import type { LedgerProgress } from '../run/step/brokenRecord.ts';
import { type Admission, parseJobFile } from './admission.ts';

/** Jobs that are asked for at once. */
const AT_ONCE = 100;

/** A job that an earlier coordinator had. */
export interface RestoredJob {
  readonly job: Job;
  readonly spec: JobSpec;
  readonly run: JobRun;
  /** How far its ledger is; absent when it has none, or has ended. */
  readonly ledger?: LedgerProgress;
  /** Why it cannot go on; absent when it can. */
  readonly fault?: string;
}

/**
 * The jobs that Redis and the record files hold, whatever else is there: a record that is none is put aside and told of, and a job whose
 * run is lost with it goes on from its newest checkpoint. No content of Redis keeps a coordinator from starting.
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

/** One of them. What has ended needs no admission. */
export async function restoreJob(job: Job, kept: JobRun | undefined, admission: Admission): Promise<RestoredJob> {
  const { id, createdAt, message } = job;
  const isOver = isTerminal(job.state);
  const spec = parseJobSpec(parseJobFile(job.specJson));
  let fault: string | undefined;
  let run = kept && withSpec(kept, spec);
  if (run === undefined) {
    const nothing = { path: '', step: 0 };
    const startPoint = isOver
      ? nothing
      : await admission.startPoint(spec).catch((error: unknown) => {
          fault = errorMessage(error);
          return nothing;
        });
    run = queuedRun({ id, spec, startPoint }, 0, Date.parse(createdAt));
  }
  return {
    // A record that an older version wrote lacks what came later.
    job: { ...job, resourceVersion: job.resourceVersion ?? '0-0', progress: withMetrics(job.progress, spec) },
    spec,
    run: isOver ? { ...run, phase: 'ended', message } : run,
    ...(fault !== undefined && { fault }),
  };
}

/** Its progress. An older version wrote a loss and an optimiser's numbers as fields of their own, 0 where the recipe had none. */
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

/** Its job file, as an older version may have written it, lacks what has a default by now. */
function withSpec(run: JobRun, spec: JobSpec): JobRun {
  return { ...run, queuedMs: run.queuedMs ?? Date.now(), waitedMs: run.waitedMs ?? 0, facts: { ...run.facts, spec } };
}
