import type { JobClient } from '@maestro/client';
import { type Job, MaestroError } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { JOB_HELP } from '../job/findJob.ts';
import { exitCodeOf } from '../terminal/exitCode.ts';
import { positiveNumber } from '../terminal/options.ts';
import { printResult } from '../terminal/printResult.ts';
import { withClient } from '../terminal/withClient.ts';

const STATES = ['running', 'paused', 'succeeded', 'failed', 'cancelled'] as const;
const ENDED: readonly string[] = ['succeeded', 'failed', 'cancelled'];
/** The same as timeout(1). */
const EXIT_TIMEOUT = 124;

interface WaitOptions {
  readonly for?: string;
  readonly timeout?: number;
  readonly json?: boolean;
}

/** Adds `maestro wait JOB`: lets scripts continue when a job has ended or reached a state. */
export function addWaitCommand(program: Command): void {
  const command = program
    .command('wait')
    .description(
      'wait until a job has ended; the exit code is its outcome (0 succeeded, 1 failed, 3 cancelled). With --for, wait until it is in ' +
        'that state and exit with 0; if the job ends in another state first, exit with the code of its outcome, or 1',
    )
    .argument('<job>', JOB_HELP)
    .option('--for <state>', `wait for this state: ${STATES.join(', ')}`)
    .option('--timeout <seconds>', `give up after this long, with exit code ${EXIT_TIMEOUT}`, positiveNumber)
    .option('--json', 'print the job as JSON to standard output at the end')
    .action(async (id: string, { for: state, timeout, json }: WaitOptions) => {
      if (state !== undefined && !STATES.some((known) => known === state))
        throw new MaestroError('invalid-argument', `wait: --for ${state}: expected ${STATES.join(', ')}`);
      await withClient(program, async (client) => {
        const job = await client.getJob(id);
        const { last, isLate } = await waitFor(client, job, { state, timeoutMs: timeout === undefined ? undefined : timeout * 1000 });
        printResult(json, last, ({ id, state, message }) => `${id} ${state}: ${message}`);
        if (isLate) process.stderr.write(`maestro: wait: ${last.id} was not ${state ?? 'over'} after ${timeout} s\n`);
        process.exitCode = isLate ? EXIT_TIMEOUT : waitExitCode(last, state);
      });
    });
  withExamples(command, [
    ['maestro wait JOB && maestro checkpoint export JOB', 'continue only if it succeeded'],
    ['maestro pause JOB && maestro wait JOB --for paused --timeout 60', 'until its workers are free'],
  ]);
}

/** Returns 0 when the job is in the awaited state; otherwise the code of its outcome, and never 0. */
export function waitExitCode(job: Job, state: string | undefined): number {
  if (state === undefined) return exitCodeOf(job);
  return job.state === state ? 0 : exitCodeOf(job) || 1;
}

async function waitFor(
  client: JobClient,
  job: Job,
  { state, timeoutMs }: { readonly state: string | undefined; readonly timeoutMs: number | undefined },
): Promise<{ readonly last: Job; readonly isLate: boolean }> {
  const isOver = (now: Job): boolean => now.state === state || ENDED.includes(now.state);
  const late = new AbortController();
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => late.abort(), timeoutMs);
  let last = job;
  try {
    if (isOver(last)) return { last, isLate: false };
    for await (const now of client.watchJob(job.id, { signal: late.signal })) {
      last = now;
      if (isOver(last)) break;
    }
  } catch (error) {
    if (!late.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
  return { last, isLate: !isOver(last) };
}
