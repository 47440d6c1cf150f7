import type { Job, JobProgress } from '@maestro/protocol';
import { glance } from './toldMetrics.ts';

const BAR_WIDTH = 28;
const PLAIN_EVERY_MS = 5000;
const MIN_REDRAW_MS = 80;
/** Events shown to a follower: what happened to workers, and to the job because of them. */
const TOLD: ReadonlySet<string> = new Set(['lost', 'left', 'joined', 'evicted', 'refused', 'rebalance', 'restore', 'view']);

/** Output of progress: a terminal gets one line that is redrawn, anything else a plain line every few seconds. */
export interface ProgressOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Shows a job's progress. */
export interface ProgressView {
  show(job: Job): void;
  /** Prints a separate line above the progress. */
  note(text: string): void;
  /** Keeps the last line on screen. */
  end(): void;
}

/** Creates a live view of a job on `output`. `now` returns milliseconds. */
export function createProgressView(output: ProgressOutput, now: () => number = Date.now): ProgressView {
  let lastMs = Number.NEGATIVE_INFINITY;
  let lastHeadline = '';
  let lastLine = '';
  let lastEventTime = '';
  let isLineOpen = false;
  const isLive = output.isTTY === true;
  const note = (text: string): void => {
    if (isLineOpen) output.write('\n');
    isLineOpen = false;
    output.write(`${text}\n`);
  };
  return {
    note,
    show(job) {
      const { progress, state, message } = job;
      const headline = `${state}: ${message}`;
      for (const event of job.events) {
        if (event.time <= lastEventTime || !TOLD.has(event.type)) continue;
        // The first view is not worth a line.
        if (event.generation > 1 || event.type !== 'view') note(`step ${event.step}: ${event.message}`);
      }
      lastEventTime = job.events.at(-1)?.time ?? lastEventTime;
      if (headline !== lastHeadline) note(headline);
      lastHeadline = headline;
      if (progress === null || progress.images === 0) return;
      const isLast = progress.step >= progress.totalSteps;
      const nowMs = now();
      if (!isLast && nowMs - lastMs < (isLive ? MIN_REDRAW_MS : PLAIN_EVERY_MS)) return;
      const line = progressLine(job, progress);
      if (line === lastLine) return;
      lastMs = nowMs;
      lastLine = line;
      if (isLive) output.write(`\r${line.slice(0, (output.columns ?? 120) - 1)}\x1b[K`);
      else output.write(`${line}\n`);
      isLineOpen = isLive;
    },
    end() {
      if (isLineOpen) output.write('\n');
      isLineOpen = false;
    },
  };
}

/** Formats one line: bar, step, epoch, the job's metrics, speed and remaining time. */
function progressLine(job: Pick<Job, 'specJson' | 'progress'>, progress: JobProgress): string {
  const { step, totalSteps, epoch, totalEpochs, imagesPerSecond, etaSeconds } = progress;
  const share = totalSteps === 0 ? 1 : step / totalSteps;
  const width = String(totalSteps).length;
  return [
    bar(share),
    `step ${String(step).padStart(width)}/${totalSteps}`,
    `epoch ${epoch.toFixed(2)}/${Number(totalEpochs.toFixed(2))}`,
    ...glance(job),
    `${imagesPerSecond.toFixed(0)} images/s`,
    `ETA ${duration(etaSeconds)}`,
  ].join('  ');
}

/** Draws a progress bar with the percentage; `share` is 0 to 1. */
export function bar(share: number): string {
  const filled = Math.round(share * BAR_WIDTH);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${String(Math.floor(share * 100)).padStart(3)} %`;
}

/** Formats `1:05`, or `2:00:09` from an hour on. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
