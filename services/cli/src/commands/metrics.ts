import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errorMessage, MaestroError, METRIC_FORMATS, type MetricFormat } from '@maestro/protocol';
import { type Command, Option } from 'commander';
import { withExamples } from '../job/examples.ts';
import { findJob, JOB_HELP } from '../job/findJob.ts';
import { withClient } from '../terminal/withClient.ts';

interface MetricsOptions {
  readonly format: MetricFormat;
  readonly out?: string;
}

/** Adds `maestro metrics JOB`: exports loss, learning rate, gradient norm and speed of a job's steps to a file for other programs. */
export function addMetricsCommand(program: Command): void {
  const command = program
    .command('metrics')
    .description('export loss, learning rate, gradient norm and speed per step as CSV, JSON lines or TensorBoard events')
    .argument('<job>', JOB_HELP)
    .addOption(new Option('--format <format>', 'what to write').choices(METRIC_FORMATS).default('csv'))
    .option('--out <path>', 'file to write; for tensorboard a log folder (default: standard output, and ./runs for tensorboard)')
    .action(async (reference: string, { format, out }: MetricsOptions) => {
      const { id, content } = await withClient(program, (client) =>
        findJob(client, reference, async (id) => ({ id, content: await client.exportMetrics(id, format) })),
      );
      if (out === undefined && format !== 'tensorboard') {
        process.stdout.write(content);
        return;
      }
      const path = format === 'tensorboard' ? eventFilePath(resolve(out ?? 'runs'), id) : resolve(out!);
      try {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, content);
      } catch (error) {
        throw new MaestroError('storage', `metrics: cannot write ${path}: ${errorMessage(error)}`, { cause: error });
      }
      const hint = format === 'tensorboard' ? `; view it with: tensorboard --logdir ${resolve(out ?? 'runs')}` : '';
      process.stderr.write(`${path}${hint}\n`);
    });
  withExamples(command, [
    ['maestro metrics JOB > steps.csv', 'for a spreadsheet'],
    ['maestro metrics JOB --format tensorboard --out runs', 'then: tensorboard --logdir runs'],
  ]);
}

/** Returns the path that TensorBoard expects: a folder per run, and a name with `tfevents` in it. A second export replaces the first. */
function eventFilePath(logDir: string, id: string): string {
  return join(logDir, id, `events.out.tfevents.${id}`);
}
