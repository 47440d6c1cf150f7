import { openLogSink } from '@maestro/logs';
import { createLogger, monitorEventLoop } from '@maestro/telemetry';

/** Report of a finished talker. */
export interface TalkerReport {
  readonly lines: number;
  readonly dropped: number;
  readonly seconds: number;
  /** Part of the time spent in calls of the logger. */
  readonly busySeconds: number;
  /** Delay of its event loop, 99th percentile. */
  readonly delayP99Ms: number;
}

// A process that logs at a given rate, for benches and tests: `node logTalker.js REDIS_URL JOB LINES_PER_SECOND SECONDS SINK`.
const [redisUrl, job, rateText, secondsText, sinkText] = process.argv.slice(2) as [string, string, string, string, string];
const rate = Number(rateText);
const sink = sinkText === 'off' ? undefined : openLogSink({ redisUrl, name: 'talker' });
const logger = createLogger({
  role: 'worker',
  worker: 'talker',
  job,
  destination: { file: '/dev/null' },
  ...(sink !== undefined && { sink }),
});
const total = rate * Number(secondsText);
const monitor = monitorEventLoop();
const startMs = performance.now();
let lines = 0;
let busyMs = 0;
await new Promise<void>((resolve) => {
  const talk = (): void => {
    const fromMs = performance.now();
    const due = Math.min(total, Math.ceil(((fromMs - startMs) * rate) / 1000));
    for (; lines < due; lines++)
      logger.info({ step: lines, loss: 0.5 + lines / 1e6, imagesPerSecond: 812.5, generation: 3 }, 'step committed');
    busyMs += performance.now() - fromMs;
    if (lines < total) setTimeout(talk, 1);
    else resolve();
  };
  talk();
});
const seconds = (performance.now() - startMs) / 1000;
const { p99Ms } = monitor.read();
await sink?.flush(60_000);
const report: TalkerReport = { lines, dropped: sink?.dropped ?? 0, seconds, busySeconds: busyMs / 1000, delayP99Ms: p99Ms };
process.send?.(report);
await sink?.close();
monitor.close();
process.disconnect?.();
