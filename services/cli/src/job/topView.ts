import type { Job, WorkerInfo } from '@maestro/protocol';
import { isTerminal } from '@maestro/protocol';
import { textTable } from '../terminal/textTable.ts';
import { priorityOf } from './jobTable.ts';
import { duration } from './progressView.ts';
import { headlineColumn } from './toldMetrics.ts';

/** Snapshot shown by `maestro top`. */
export interface TopFrame {
  readonly coordinator: string;
  readonly nowMs: number;
  /** Newest first. */
  readonly jobs: readonly Job[];
  /** True when these are all jobs. Default true. */
  readonly areAll?: boolean;
  readonly workers: readonly WorkerInfo[];
}

/** Maximum ended jobs shown. */
const SHOWN_ENDED = 5;

/** Formats the whole cluster as lines: a summary, workers with their activity, jobs with their progress. Lines are cut at `columns`. */
export function topLines({ coordinator, nowMs, jobs, areAll = true, workers }: TopFrame, columns = Number.POSITIVE_INFINITY): string[] {
  // Jobs with workers come before waiting ones, of which there may be thousands.
  const isWaiting = ({ state }: Job): boolean => state === 'queued';
  const active = jobs.filter(({ state }) => !isTerminal(state)).sort((a, b) => Number(isWaiting(a)) - Number(isWaiting(b)));
  const ended = jobs.filter(({ state }) => isTerminal(state)).slice(0, SHOWN_ENDED);
  const running = active.filter(({ state }) => state === 'running');
  const speed = running.reduce((sum, { progress }) => sum + (progress?.imagesPerSecond ?? 0), 0);
  const free = workers.filter(({ jobId, isDrained }) => jobId === '' && !isDrained).length;
  const summary = [
    `maestro ${coordinator}`,
    new Date(nowMs).toISOString().slice(11, 19),
    `${running.length} running, ${active.length - running.length}${areAll ? '' : ' or more'} waiting`,
    `${workers.length} worker${workers.length === 1 ? '' : 's'}, ${free} free`,
    `${speed.toFixed(1)} images/s`,
  ].join('   ');
  const shown = [...active, ...ended];
  const { title, cells } = headlineColumn(shown);
  const jobRows = shown.map((job, i) => jobRow(job, cells[i]!));
  return [
    summary,
    '',
    ...(jobs.length === 0
      ? ['no jobs yet; submit one with `maestro submit FILE`']
      : textTable([['JOB', 'NAME', 'PRIO', 'STATE', 'STEP', 'DONE', title, 'IMG/S', 'LEFT', 'NOTE'], ...jobRows], [2, 4, 5, 6, 7, 8]).split(
          '\n',
        )),
    '',
    ...(workers.length === 0
      ? ['no workers are connected; `maestro up` starts some']
      : textTable([['WORKER', 'DEVICE', 'JOB', 'RANKS', 'STEP', 'PHASE', 'FOR', 'WAITS FOR'], ...workerRows(workers, jobs)], [4]).split(
          '\n',
        )),
  ].map((line) => (line.length > columns ? `${line.slice(0, Math.max(0, columns - 1))}…` : line));
}

function jobRow(job: Job, headline: string): string[] {
  const { id, name, state, progress, message } = job;
  const isMoving = state === 'running' || state === 'pausing';
  const told = state === 'running' || state === 'succeeded' ? '' : message;
  const head = [id, name, String(priorityOf(job)), state];
  if (progress === null) return [...head, '-', '-', '-', '-', '-', told];
  const { step, totalSteps, imagesPerSecond, etaSeconds } = progress;
  return [
    ...head,
    `${step}/${totalSteps}`,
    `${Math.floor((100 * step) / totalSteps)} %`,
    headline,
    isMoving ? imagesPerSecond.toFixed(1) : '-',
    isMoving ? duration(etaSeconds) : '-',
    told,
  ];
}

function workerRows(workers: readonly WorkerInfo[], jobs: readonly Job[]): string[][] {
  return [...workers]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, id, device, jobId, isDrained }) => {
      const member = jobs.find((job) => job.id === jobId)?.members.find((each) => each.id === id);
      const job = `${jobId || 'free'}${isDrained ? ' (drained)' : ''}`;
      if (member === undefined) return [name, device, job, '-', '-', '-', '-', ''];
      const { firstRank, ranks, step, phase, phaseSeconds, waitingFor } = member;
      return [name, device, job, `${firstRank}..${firstRank + ranks - 1}`, String(step), phase, `${phaseSeconds.toFixed(1)} s`, waitingFor];
    });
}
