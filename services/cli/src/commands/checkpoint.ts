import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { folderStep, listCheckpoints, MANIFEST_FILE, verifyCheckpoint } from '@maestro/checkpoint';
import { MaestroError } from '@maestro/protocol';
import type { Command } from 'commander';
import { checkpointTable, type ExaminedCheckpoint } from '../checkpointTable.ts';
import { checkpointRoot } from '../connection.ts';

interface ReadOptions {
  readonly json?: boolean;
}

/** `maestro checkpoint ls|verify`: what is on disk; needs no coordinator. */
export function addCheckpointCommand(program: Command): void {
  const checkpoint = program.command('checkpoint').description('list and verify checkpoints on disk');

  checkpoint
    .command('ls')
    .description("a job's checkpoints, oldest first, each examined to the byte: step, size, age, hash, or what is wrong")
    .argument('<job>', 'job id, or a folder of checkpoints')
    .option('--json', 'print JSON')
    .action(async (job: string, { json }: ReadOptions) => {
      const root = resolve(checkpointRoot(resolve(program.opts<{ dataDir: string }>().dataDir), job));
      const listed = await listCheckpoints(root);
      if (listed.length === 0) {
        const advice =
          folderStep(basename(root)) === undefined ? 'name their folder, or the --data-dir of the job' : 'use checkpoint verify';
        throw new MaestroError('not-found', `checkpoint ls: no checkpoints in ${root}; ${advice}`);
      }
      const examined: ExaminedCheckpoint[] = [];
      for (const { dir } of listed) examined.push(await examine(dir));
      process.stdout.write(`${json === true ? JSON.stringify(examined) : checkpointTable(examined)}\n`);
    });

  checkpoint
    .command('verify')
    .description('check every byte of a checkpoint against its manifest; the exit code tells')
    .argument('<folder>', 'a checkpoint folder, such as step-00000100')
    .option('--json', 'print JSON')
    .action(async (folder: string, { json }: ReadOptions) => {
      const examined = await examine(resolve(folder));
      process.stdout.write(`${json === true ? JSON.stringify(examined) : checkpointTable([examined])}\n`);
      if (!examined.valid) process.exitCode = 1;
    });
}

async function examine(dir: string): Promise<ExaminedCheckpoint> {
  const report = await verifyCheckpoint(dir);
  const { mtime } = await stat(join(dir, MANIFEST_FILE)).catch(() => stat(dir)); // Without a manifest, the folder's time says most.
  return { ...report, writtenAt: mtime.toISOString() };
}
