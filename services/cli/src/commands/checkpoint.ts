import { resolve } from 'node:path';
import { type CheckpointReport, listCheckpoints, verifyCheckpoint } from '@maestro/checkpoint';
import { MaestroError } from '@maestro/protocol';
import type { Command } from 'commander';
import { checkpointRoot } from '../connection.ts';

/** `maestro checkpoint ls|verify`: what is on disk; needs no coordinator. */
export function addCheckpointCommand(program: Command): void {
  const checkpoint = program.command('checkpoint').description('list and verify checkpoints on disk');

  checkpoint
    .command('ls')
    .description("a job's checkpoints, oldest first, each examined to the byte")
    .argument('<job>', 'job id, or a folder of checkpoints')
    .option('--json', 'print JSON')
    .action(async (job: string, { json }: { json?: boolean }) => {
      const root = checkpointRoot(resolve(program.opts<{ dataDir: string }>().dataDir), job);
      const listed = await listCheckpoints(root);
      if (listed.length === 0) throw new MaestroError('not-found', `checkpoint ls: no checkpoints in ${root}`);
      const reports: CheckpointReport[] = [];
      for (const { dir } of listed) reports.push(await verifyCheckpoint(dir));
      process.stdout.write(json === true ? `${JSON.stringify(reports)}\n` : `${reports.map(line).join('\n')}\n`);
    });

  checkpoint
    .command('verify')
    .description('check every byte of a checkpoint against its manifest; the exit code tells')
    .argument('<folder>', 'a checkpoint folder, such as step-00000100')
    .option('--json', 'print JSON')
    .action(async (folder: string, { json }: { json?: boolean }) => {
      const report = await verifyCheckpoint(resolve(folder));
      process.stdout.write(json === true ? `${JSON.stringify(report)}\n` : `${line(report)}\n`);
      if (!report.valid) process.exitCode = 1;
    });
}

function line({ dir, valid, step, checkpointHash, sizeBytes, problems, extraFiles }: CheckpointReport): string {
  const verdict = valid
    ? `valid    ${checkpointHash}  ${((sizeBytes ?? 0) / 1e6).toFixed(1)} MB`
    : `INVALID  ${problems.map(({ file, message }) => `${file} ${message}`).join('; ')}`;
  const extra = extraFiles.length === 0 ? '' : `  (files that do not belong to it: ${extraFiles.join(', ')})`;
  return `step ${step ?? '?'}  ${verdict}  ${dir}${extra}`;
}
