import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { TalkerReport } from './logTalker.ts';

/** Runs a process that logs this many lines per second for this long. */
export async function talk({
  redisUrl,
  job,
  linesPerSecond,
  seconds,
  hasSink = true,
}: {
  readonly redisUrl: string;
  readonly job: string;
  readonly linesPerSecond: number;
  readonly seconds: number;
  readonly hasSink?: boolean;
}): Promise<TalkerReport> {
  const program = fileURLToPath(new URL('./logTalker.js', import.meta.url));
  const child = fork(program, [redisUrl, job, String(linesPerSecond), String(seconds), hasSink ? 'on' : 'off']);
  const [report] = (await once(child, 'message')) as [TalkerReport];
  return report;
}
