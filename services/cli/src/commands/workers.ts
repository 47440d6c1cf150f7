import { GET_OPERATORS } from '@maestro/native/operators';
import type { WorkerInfo } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { findWorker } from '../job/findJob.ts';
import { printResult } from '../terminal/printResult.ts';
import { textTable } from '../terminal/textTable.ts';
import { withClient } from '../terminal/withClient.ts';

interface ReadOptions {
  readonly json?: boolean;
}

/** Adds `maestro workers` and `maestro workers drain NAME`. */
export function addWorkerCommands(program: Command): void {
  const workers = program
    .command('workers')
    .description('list connected workers and the job each one works on')
    .option('--json', 'print JSON')
    .action(async ({ json }: ReadOptions) => {
      const all = await withClient(program, (client) => client.listWorkers());
      printResult(json, all, (some) => (some.length === 0 ? 'no workers are connected; `maestro up` starts some' : workerTable(some)));
    });

  withExamples(workers, [
    ['maestro workers', 'who is there'],
    ['maestro workers drain worker-b', 'remove a worker, for example before its machine is shut down'],
  ]);

  const drain = workers
    .command('drain')
    .description('remove a worker from its job at the next step boundary; it gets no other job until it is restarted')
    .argument('<name>', "a worker's name")
    .option('--json', 'print JSON')
    .action(async (name: string, _options: ReadOptions, command: Command) => {
      const worker = await withClient(program, (client) => findWorker(client, name, (found) => client.drainWorker(found)));
      const { json } = command.optsWithGlobals<ReadOptions>();
      printResult(json, worker, ({ jobId }) => (jobId === '' ? `${name} is drained` : `${name} leaves ${jobId} at the next step boundary`));
    });
  withExamples(drain, [['maestro workers drain worker-b', 'its job continues without it, with the same weights']]);
}

function workerTable(workers: readonly WorkerInfo[]): string {
  const rows = [...workers]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, device, threads, host, pid, jobId, isDrained, operators, kernels }) => [
      name,
      device,
      operators === 0 ? '-' : kernels,
      String(threads),
      host,
      String(pid),
      `${jobId || 'free'}${isDrained ? ' (drained)' : ''}`,
    ]);
  const lacking = workers.filter(({ device, operators }) => device === 'cpu' && operators === 0);
  const advice = lacking.map(({ name, kernels }) => `\n${name} has no native operators: ${kernels || 'none'}; ${GET_OPERATORS}`);
  return textTable([['NAME', 'DEVICE', 'KERNELS', 'THREADS', 'HOST', 'PROCESS', 'JOB'], ...rows], [3, 5]) + advice.join('');
}
