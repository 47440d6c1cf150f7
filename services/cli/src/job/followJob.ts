import type { JobClient } from '@maestro/client';
import { errorMessage, isMaestroError, type Job, LOG_QUERY_LEVELS, readEnvironment } from '@maestro/protocol';
import { Option } from 'commander';
import { exitCodeOf } from '../terminal/exitCode.ts';
import { forTerminal, printResult } from '../terminal/printResult.ts';
import { logText } from './logText.ts';
import { createProgressView, type ProgressView } from './progressView.ts';

/** Maximum delay of a job's last lines after its end. */
const LAST_LINES_MS = 3000;

/** Options of commands that follow a job. */
export interface FollowOptions {
  readonly json?: boolean | undefined;
  /** The least urgent level of log lines to show, or `none`. */
  readonly logs: string;
}

/** Option `--logs LEVEL` of commands that follow a job. */
export function logsOption(): Option {
  return new Option('--logs <level>', 'lowest level of log lines to show while following')
    .choices([...LOG_QUERY_LEVELS, 'none'])
    .default('warn');
}

/**
 * Shows a job's progress and log lines on standard error until it ends, then prints its outcome, which becomes the exit code. Ctrl-C leaves
 * the job running and explains how to return.
 */
export async function followJob(client: JobClient, job: Job, { json, logs }: FollowOptions): Promise<void> {
  const last = await follow(client, job, logs);
  printResult(json, last, ({ id, state, message }) => `${id} ${state}: ${message}`);
  process.exitCode = exitCodeOf(last);
}

async function follow(client: JobClient, job: Job, level: string): Promise<Job> {
  const view = createProgressView(process.stderr);
  const detach = (): void => {
    view.end();
    const { id } = job;
    process.stderr.write(`detached; the job keeps running. Reattach with \`maestro follow ${id}\`, cancel with \`maestro cancel ${id}\`\n`);
    process.exit(0);
  };
  process.once('SIGINT', detach);
  const over = new AbortController();
  const lines = level === 'none' ? Promise.resolve() : showLines(client, job.id, { level, view, signal: over.signal });
  let last = job;
  try {
    for await (const now of client.watchJob(job.id)) {
      last = now;
      view.show(forTerminal(now));
    }
    const timer = setTimeout(() => over.abort(), LAST_LINES_MS);
    await lines;
    clearTimeout(timer);
  } finally {
    over.abort();
    view.end();
    process.off('SIGINT', detach);
  }
  return last;
}

/** Shows log lines as they arrive, until the job has ended. A lack of log lines does not stop the following. */
async function showLines(
  client: JobClient,
  id: string,
  { level, view, signal }: { readonly level: string; readonly view: ProgressView; readonly signal: AbortSignal },
): Promise<void> {
  const isColoured = process.stderr.isTTY === true && readEnvironment()['NO_COLOR'] === undefined;
  try {
    for await (const { json } of client.tailLogs(id, { follow: true, level, signal })) view.note(logText(json, { isColoured }));
  } catch (error) {
    if (!isMaestroError(error, 'cancelled')) view.note(`cannot read more log lines: ${errorMessage(error)}`);
  }
}
