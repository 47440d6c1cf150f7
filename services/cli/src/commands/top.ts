import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobClient } from '@maestro/client';
import { isMaestroError } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { newestJobs } from '../job/newestJobs.ts';
import { type TopFrame, topLines } from '../job/topView.ts';
import { coordinatorAddress } from '../terminal/connection.ts';
import { positiveNumber } from '../terminal/options.ts';
import { forTerminal, printable } from '../terminal/printResult.ts';
import { withClient } from '../terminal/withClient.ts';

interface TopOptions {
  readonly interval: number;
  readonly once?: boolean;
  readonly json?: boolean;
}

/** Limits the jobs shown to the newest, and those that have workers: more would not fit a screen. */
const MOST_JOBS = 200;
const ENTER_SCREEN = '\x1b[?1049h\x1b[?25l';
const LEAVE_SCREEN = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const INTERRUPT = '\x03';

/** Adds `maestro top`: shows jobs and workers, live on a terminal, once anywhere else. */
export function addTopCommand(program: Command): void {
  const command = program
    .command('top')
    .description('live view of jobs and workers: loss, images/s, current phase; q quits. Prints once if the output is not a terminal')
    .option('--interval <seconds>', 'seconds between refreshes', positiveNumber, 1)
    .option('--once', 'print once and exit, even on a terminal')
    .option('--json', 'print once, as JSON')
    .action(async ({ interval, once, json }: TopOptions) => {
      const { coordinator: flag, dataDir } = program.opts<{ coordinator?: string; dataDir: string }>();
      const coordinator = await coordinatorAddress({ flag, dataDir: resolve(dataDir) });
      await withClient(program, async (client) => {
        const first = await look(client, coordinator);
        if (json === true) return void process.stdout.write(`${JSON.stringify({ jobs: first.jobs, workers: first.workers })}\n`);
        if (once === true || !process.stdout.isTTY) return void process.stdout.write(`${topLines(forTerminal(first)).join('\n')}\n`);
        await showLive(client, first, interval * 1000);
      });
    });
  withExamples(command, [
    ['maestro top', 'live; quit with q or Ctrl-C, jobs keep running'],
    ['maestro top | grep worker-a', 'one look, in a pipe'],
    ['watch -n 10 maestro top --once', 'refresh every ten seconds'],
  ]);
}

async function look(client: JobClient, coordinator: string): Promise<TopFrame> {
  const [{ jobs, areAll }, workers] = await Promise.all([newestJobs(client, { limit: MOST_JOBS }), client.listWorkers()]);
  return { coordinator, nowMs: Date.now(), jobs, areAll, workers };
}

/** Redraws until q is pressed. Waits for a coordinator that goes away. */
async function showLive(client: JobClient, first: TopFrame, intervalMs: number): Promise<void> {
  const { stdin, stdout } = process;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  const onKey = (key: string): void => {
    if (key === 'q' || key === 'Q' || key === INTERRUPT) end();
  };
  let frame = first;
  let trouble = '';
  const draw = (): void => {
    const lines = topLines(forTerminal(frame), stdout.columns).slice(0, Math.max(1, stdout.rows - 2));
    const foot = trouble === '' ? 'q quits; jobs go on' : printable(trouble);
    stdout.write(`${HOME}${[...lines, '', foot].map((line) => `${line}${CLEAR_LINE}`).join('\n')}${CLEAR_BELOW}`);
  };
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.setEncoding('utf8').on('data', onKey);
  stdout.on('resize', draw);
  process.once('SIGINT', end).once('SIGTERM', end);
  stdout.write(ENTER_SCREEN);
  try {
    while (!ended.signal.aborted) {
      draw();
      await delay(intervalMs, undefined, { signal: ended.signal }).catch(() => undefined);
      if (ended.signal.aborted) return;
      try {
        frame = await look(client, frame.coordinator);
        trouble = '';
      } catch (error) {
        if (!isMaestroError(error, 'unavailable') && !isMaestroError(error, 'timeout')) throw error;
        trouble = 'the coordinator does not answer; retrying (workers keep running)';
      }
    }
  } finally {
    stdout.write(LEAVE_SCREEN);
    stdout.off('resize', draw);
    process.off('SIGINT', end).off('SIGTERM', end);
    stdin.off('data', onKey);
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
  }
}
