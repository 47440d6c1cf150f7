import type { Job } from '@maestro/protocol';
import { duration } from './progressView.ts';
import { textTable } from './textTable.ts';

/** A table of jobs, one line each, newest first. */
export function jobTable(jobs: readonly Job[], nowMs: number = Date.now()): string {
  return textTable([['ID', 'NAME', 'STATE', 'STEP', 'LOSS', 'AGE'], ...jobs.map((job) => cells(job, nowMs))]);
}

function cells({ id, name, state, progress, createdAt }: Job, nowMs: number): string[] {
  const step = progress === null ? '-' : `${progress.step}/${progress.totalSteps}`;
  const loss = progress === null || progress.images === 0 ? '-' : progress.loss.toFixed(4);
  return [id, name, state, step, loss, duration((nowMs - Date.parse(createdAt)) / 1000)];
}

/** Everything about one job that a person asks for when something is odd, as indented lines. */
export function jobDescription(job: Job): string {
  const { progress } = job;
  const lines = [
    `Job:        ${job.id} (${job.name})`,
    `State:      ${job.state}: ${job.message}`,
    `Created:    ${job.createdAt}`,
    `Started:    ${job.startedAt || '-'}`,
    `Ended:      ${job.endedAt || '-'}`,
    `Generation: ${job.generation}`,
  ];
  if (progress !== null) {
    lines.push(
      `Progress:   step ${progress.step} of ${progress.totalSteps}, epoch ${progress.epoch.toFixed(2)}, ${progress.images} images, ${progress.skippedImages} skipped`,
      `Loss:       ${progress.loss.toFixed(6)} (first ${progress.lossFirst.toFixed(6)}), gradient norm ${progress.gradNorm.toPrecision(4)}, lr ${progress.lr.toExponential(3)}`,
      `Speed:      ${progress.imagesPerSecond.toFixed(1)} images/s, ${duration(progress.etaSeconds)} left`,
    );
  }
  lines.push('Members:');
  for (const { name, firstRank, ranks, phase, step, lastHeard } of job.members) {
    lines.push(`  ${name}  virtual ranks ${firstRank}..${firstRank + ranks - 1}  last heard ${lastHeard} in ${phase} of step ${step}`);
  }
  lines.push('Conditions:');
  for (const { type, status, reason, message, lastTransitionTime } of job.conditions) {
    lines.push(`  ${type}=${status}  ${reason}  ${lastTransitionTime}  ${message}`);
  }
  lines.push('Checkpoints:');
  for (const { step, path, hash } of job.checkpoints) lines.push(`  step ${step}  ${hash}  ${path}`);
  return lines.join('\n');
}
