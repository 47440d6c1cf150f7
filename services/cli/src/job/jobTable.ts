import { isTerminal, type Job, type StoredCheckpoint } from '@maestro/protocol';
import { textTable } from '../terminal/textTable.ts';
import { duration } from './progressView.ts';
import { headlineColumn, metricsLine, resultsLine } from './toldMetrics.ts';

/** Number of events in a description; `--json` has all recorded ones. */
const SHOWN_EVENTS = 25;

/** Returns a job's priority from its job file. */
export function priorityOf({ specJson }: Pick<Job, 'specJson'>): number {
  return (JSON.parse(specJson) as { readonly priority?: number }).priority ?? 0;
}

/** Formats a table of jobs, one line each, newest first. */
export function jobTable(jobs: readonly Job[], nowMs: number = Date.now()): string {
  const { title, cells: headlines } = headlineColumn(jobs);
  const rows = jobs.map((job, i) => cells(job, headlines[i]!, nowMs));
  return textTable([['ID', 'NAME', 'STATE', 'STEP', title, 'AGE', 'PRIO', 'NOTE'], ...rows]);
}

function cells(job: Job, headline: string, nowMs: number): string[] {
  const { id, name, state, message, progress, createdAt } = job;
  const step = progress === null ? '-' : `${progress.step}/${progress.totalSteps}`;
  const held = heldReason(job);
  const own = state === 'running' || state === 'succeeded' ? '' : message;
  const note = [own, held ?? ''].filter((text, i, all) => text !== '' && all.indexOf(text) === i).join('; ');
  return [id, name, state, step, headline, duration((nowMs - Date.parse(createdAt)) / 1000), String(priorityOf(job)), note];
}

/** Returns why the coordinator has a job wait until it is set up otherwise; undefined when it does not. */
function heldReason({ conditions }: Pick<Job, 'conditions'>): string | undefined {
  return conditions.find(({ type, status }) => type === 'Loaded' && !status)?.message;
}

/**
 * Describes everything about one job that a person needs when something is odd, as indented lines. `stored`: the checkpoints that exist
 * now; all written ones are listed when it is omitted.
 */
export function jobDescription(
  job: Job,
  { nowMs = Date.now(), stored }: { readonly nowMs?: number; readonly stored?: readonly StoredCheckpoint[] | undefined } = {},
): string {
  const { progress } = job;
  const isOver = isTerminal(job.state);
  const held = heldReason(job);
  const slow = job.conditions.find(({ type, status }) => type === 'Progressing' && !status);
  const lines = [
    `Job:        ${job.id} (${job.name})`,
    `State:      ${job.state}: ${job.message}`,
    ...(held === undefined || held === job.message ? [] : [`Recipe:     ${held}`]),
    ...(slow === undefined ? [] : [`Slow:       ${slow.message}`]),
    ...(job.warnings ?? []).map((warning) => `Warning:    ${warning}`),
    `Priority:   ${priorityOf(job)}`,
    `Created:    ${job.createdAt}`,
    `Started:    ${job.startedAt || '-'}`,
    `Ended:      ${job.endedAt || '-'}`,
    `Generation: ${job.generation}`,
  ];
  if (progress !== null) {
    const told = metricsLine(job);
    lines.push(
      `Progress:   step ${progress.step} of ${progress.totalSteps}, epoch ${progress.epoch.toFixed(2)}, ${progress.images} images, ` +
        `${progress.skippedImages} skipped`,
      ...(told === undefined ? [] : [`${`${told.label}:`.padEnd(11)} ${told.text}`]),
      ...(isOver ? [] : [`Speed:      ${progress.imagesPerSecond.toFixed(1)} images/s, ${duration(progress.etaSeconds)} left`]),
    );
  }
  const results = resultsLine(job);
  if (results !== undefined) lines.push(`Results:    ${results}`);
  if (job.stepsRedone > 0)
    lines.push(
      `Redone:     ${job.stepsRedone} step${job.stepsRedone === 1 ? '' : 's'}, discarded when a view ended or lost with all workers`,
    );
  // Nobody works for an ended job: its members' last activity is irrelevant.
  if (!isOver) lines.push('Members:');
  for (const { name, firstRank, ranks, status, phase, step, phaseSeconds, waitingFor, lastHeard } of isOver ? [] : job.members) {
    const heardSeconds = Math.max(0, (nowMs - Date.parse(lastHeard)) / 1000);
    const waits = waitingFor === '' ? '' : `, waiting for ${waitingFor}`;
    const does =
      lastHeard === ''
        ? 'not heard yet'
        : `step ${step}: in ${phase} for ${phaseSeconds.toFixed(1)} s${waits}; heard ${heardSeconds.toFixed(1)} s ago`;
    lines.push(`  ${name}  ${status}  virtual ranks ${firstRank}..${firstRank + ranks - 1}  ${does}`);
  }
  lines.push('Conditions:');
  for (const { type, status, reason, message, lastTransitionTime } of job.conditions) {
    lines.push(`  ${type}=${status}  ${reason}  ${lastTransitionTime}  ${message}`);
  }
  const olderEvents = job.events.length - SHOWN_EVENTS;
  const areSome = olderEvents > 0 || (job.events[0]?.generation ?? 1) > 1;
  lines.push(
    areSome ? `Events: (the newest; ${olderEvents > 0 ? `${olderEvents} older with --json` : 'older events are not kept'})` : 'Events:',
  );
  for (const { time, generation, step, type, message } of job.events.slice(-SHOWN_EVENTS)) {
    lines.push(`  ${time}  view ${generation}  step ${step}  ${type}: ${message}`);
  }
  const kept = job.checkpoints.filter(({ step, hash }) => stored?.some((found) => found.step === step && found.hash === hash) ?? true);
  const written = job.checkpoints.length;
  lines.push(kept.length === written ? 'Checkpoints:' : `Checkpoints: (${written} written, ${kept.length} of them on disk)`);
  for (const { step, path, hash } of kept) lines.push(`  step ${step}  ${hash}  ${path}`);
  for (const { step, path, problem } of (stored ?? []).filter(({ valid }) => !valid))
    lines.push(`  step ${step}  INVALID: ${problem}  ${path}`);
  return lines.join('\n');
}
