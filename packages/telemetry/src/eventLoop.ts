import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Delay of timers since the last read, in milliseconds; all zero when nothing was sampled. */
export interface EventLoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Number of samples behind the percentiles. */
  readonly samples: number;
}

/** A running measurement of event-loop delay; its owner closes it. */
export interface EventLoopMonitor {
  /** Returns the delay since the monitor began or was last read with `reset`. */
  read(options?: { readonly reset?: boolean }): EventLoopDelay;
  close(): void;
}

const NANOSECONDS_PER_MS = 1e6;

/**
 * Measures how long this thread's event loop is blocked, by a native timer every `resolutionMs`.
 *
 * Node records the whole interval between two firings, so an idle loop reads about `resolutionMs`; this is subtracted here, so that an idle
 * loop reads about 0. A blocked loop yields one sample however long it is blocked: read p99 together with maxMs.
 *
 * @param resolutionMs time between samples, at least 1; 10 costs nothing measurable
 */
export function monitorEventLoop({ resolutionMs = 10 }: { readonly resolutionMs?: number } = {}): EventLoopMonitor {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  const delayMs = (nanoseconds: number) => Math.max(0, nanoseconds / NANOSECONDS_PER_MS - resolutionMs);
  return {
    read({ reset = false } = {}) {
      const samples = histogram.count;
      const delay =
        samples === 0
          ? { p50Ms: 0, p99Ms: 0, maxMs: 0, samples }
          : {
              p50Ms: delayMs(histogram.percentile(50)),
              p99Ms: delayMs(histogram.percentile(99)),
              maxMs: delayMs(histogram.max),
              samples,
            };
      if (reset) histogram.reset();
      return delay;
    },
    close() {
      histogram.disable();
    },
  };
}
