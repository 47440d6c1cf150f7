import { bar, duration, type ProgressOutput } from './progressView.ts';

const PLAIN_EVERY_MS = 5000;
const MIN_REDRAW_MS = 80;

/** Shows the progress of a command's stage, and the remaining time. */
export interface StageView {
  /** Reports that this many more units of work are done. */
  advance(units: number): void;
  /** Prints a last line with the duration of the stage. */
  end(): void;
}

/** Options of {@link startStage}. */
export interface StageOptions {
  /** The activity: "evaluating the model". */
  readonly name: string;
  /** Total units of work: images, bytes, steps. */
  readonly total: number;
  readonly output: ProgressOutput;
  /** Returns the time in milliseconds. */
  readonly now?: () => number;
}

/**
 * Starts a stage with a bar and the remaining time: one line that is redrawn on a terminal, otherwise a plain line every five seconds. The
 * remaining time is extrapolated from the units so far, so units should cost about the same.
 */
export function startStage({ name, total, output, now = Date.now }: StageOptions): StageView {
  const startedMs = now();
  const isLive = output.isTTY === true;
  let done = 0;
  let lastMs = startedMs;
  let isLineOpen = false;
  let hasEnded = false;
  const draw = (text: string): void => {
    if (isLive) output.write(`\r${text.slice(0, (output.columns ?? 120) - 1)}\x1b[K`);
    else output.write(`${text}\n`);
    isLineOpen = isLive;
  };
  draw(isLive ? `${bar(0)}  ${name}` : name);
  return {
    advance(units) {
      done = Math.min(total, done + units);
      const nowMs = now();
      if (nowMs - lastMs < (isLive ? MIN_REDRAW_MS : PLAIN_EVERY_MS)) return;
      lastMs = nowMs;
      const share = total === 0 ? 1 : done / total;
      const left = share === 0 ? '' : `  ${duration(((nowMs - startedMs) / 1000) * (1 / share - 1))} left`;
      draw(`${bar(share)}  ${name}${left}`);
    },
    end() {
      if (hasEnded) return;
      hasEnded = true;
      if (isLineOpen) output.write('\r\x1b[K');
      output.write(`${name}: ${((now() - startedMs) / 1000).toFixed(1)} s\n`);
    },
  };
}
