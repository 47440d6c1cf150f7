import { once } from 'node:events';
import { LOG_QUERY_LEVELS, readEnvironment } from '@maestro/protocol';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { withExamples } from '../job/examples.ts';
import { JOB_HELP } from '../job/findJob.ts';
import { logText } from '../job/logText.ts';
import { exitCodeOf } from '../terminal/exitCode.ts';
import { wholeNumber } from '../terminal/options.ts';
import { printable } from '../terminal/printResult.ts';
import { withClient } from '../terminal/withClient.ts';

interface LogsOptions {
  readonly follow?: boolean;
  readonly worker?: string;
  readonly level?: string;
  readonly grep?: string;
  readonly since?: string;
  readonly tail?: number;
  readonly json?: boolean;
}

/** Adds `maestro logs JOB`: prints a job's log lines. */
export function addLogsCommand(program: Command): void {
  const command = program
    .command('logs')
    .description("show a job's log lines from its workers and the coordinator")
    .argument('<job>', JOB_HELP)
    .option('-f, --follow', 'follow until the job ends; the exit code is its outcome (0 succeeded, 1 failed, 3 cancelled)')
    .option('--worker <name>', 'only lines of this worker')
    .addOption(new Option('--level <level>', 'lowest level to show').choices(LOG_QUERY_LEVELS))
    .option('--grep <regex>', "only lines that match a pattern (RE2 syntax), such as 'checkpoint|restored' or '(?i)error'")
    .option(
      '--since <time>',
      'only lines since a time: a duration such as 90s, 10m or 2h, or a timestamp such as 2025-01-31T12:00:00Z',
      sinceTime,
    )
    .option('--tail <n>', 'start with this many of the newest lines', wholeNumber)
    .option('--json', 'print the lines as written, in JSON')
    .action(async (reference: string, { follow = false, worker, level, grep, since, tail, json = false }: LogsOptions) => {
      const isColoured = process.stdout.isTTY === true && readEnvironment()['NO_COLOR'] === undefined;
      await withClient(program, async (client) => {
        const detached = new AbortController();
        process.once('SIGINT', () => detached.abort());
        const { id } = await client.getJob(reference);
        for await (const line of client.tailLogs(id, { follow, worker, level, search: grep, from: since, tail, signal: detached.signal })) {
          const text = json ? line.json : logText(line.json, { isColoured });
          if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
        }
        if (!follow || detached.signal.aborted) return;
        const job = await client.getJob(id);
        process.stderr.write(`${job.id} ${job.state}: ${printable(job.message)}\n`);
        process.exitCode = exitCodeOf(job);
      });
    });
  withExamples(command, [
    ['maestro logs JOB -f --tail 20', 'the newest lines, then new ones as they arrive; survives coordinator restarts'],
    ['maestro logs JOB --level warn --since 1h', 'recent warnings and errors'],
    ['maestro logs JOB --worker worker-a --grep "checkpoint|restored"', 'one worker, one subject'],
    ['maestro logs JOB --json | jq .msg', 'all fields, for a script'],
  ]);
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function sinceTime(text: string): string {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? [];
  const timeMs = amount === undefined ? Date.parse(text) : Date.now() - Number(amount) * UNITS[unit!]!;
  if (!Number.isFinite(timeMs)) throw new InvalidArgumentError('Expected a duration such as 10m, or a time such as 2025-01-31T12:00:00Z.');
  return new Date(timeMs).toISOString();
}
