import { bar, duration, type ProgressOutput } from './progressView.ts';

const PLAIN_EVERY_MS = 5000;
const MIN_REDRAW_MS = 80;

/** Shows how far a stage of a command is, and how long it will take. */
export interface StageView {
  /** So many more units of work are done. */
  advance(units: number): void;
  /** Leaves a last line with the time that the stage took. */
  end(): void;
}

/** What is shown. */
export interface StageOptions {
  /** What is being done: "evaluating the model". */
  readonly name: string;
  /** Units of work in all: images, bytes, steps. */
  readonly total: number;
  readonly output: ProgressOutput;
  /** Milliseconds. */
  readonly now?: () => number;
}

/**
 * A stage with a bar and the time left: one line that is redrawn on a terminal, else a plain line every five seconds. The time left is that
 * of the units so far, so units should cost about the same.
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
