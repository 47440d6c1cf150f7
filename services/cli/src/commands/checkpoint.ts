import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { folderStep, listCheckpoints, MANIFEST_FILE, verifyCheckpoint } from '@maestro/checkpoint';
import { MaestroError } from '@maestro/protocol';
import { type Command, Option } from 'commander';
import { checkpointTable, type ExaminedCheckpoint } from '../checkpointTable.ts';
import { checkpointRoot } from '../connection.ts';
import { withExamples } from '../examples.ts';
import { exportEncoder } from '../exportEncoder.ts';
import { newestFolder } from '../newestFolder.ts';

interface ReadOptions {
  readonly json?: boolean;
}

/** `maestro checkpoint ls|verify|export`: what is on disk; needs no coordinator. */
export function addCheckpointCommand(program: Command): void {
  const checkpoint = program.command('checkpoint').description('list, verify and export checkpoints on disk');

  const ls = checkpoint
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

  const verify = checkpoint
    .command('verify')
    .description('check every byte of a checkpoint against its manifest; the exit code tells')
    .argument('<folder>', 'a checkpoint folder, such as step-00000100')
    .option('--json', 'print JSON')
    .action(async (folder: string, { json }: ReadOptions) => {
      const examined = await examine(resolve(folder));
      process.stdout.write(`${json === true ? JSON.stringify(examined) : checkpointTable([examined])}\n`);
      if (!examined.valid) process.exitCode = 1;
    });

  withExamples(ls, [
    ['maestro checkpoint ls JOB', 'all of a job, oldest first'],
    ['maestro checkpoint ls /backup/checkpoints --json', 'those of any folder'],
  ]);
  withExamples(verify, [['maestro checkpoint verify step-00000100 && cp -r step-00000100 /backup', 'copy only what is whole']]);

  const exported = checkpoint
    .command('export')
    .description(
      'write the encoder of a checkpoint as an ONNX model with its weights inside: `images` float32 [N, C, H, W] in, each pixel (value / 255 - mean) / std; `features` float32 [N, D] out, the mean over patch tokens',
    )
    .argument('<checkpoint>', 'a checkpoint folder, or a job id for its newest valid checkpoint')
    .addOption(new Option('--format <format>', 'what to write').choices(['onnx']).default('onnx'))
    .option('--out <file>', 'where it goes', 'encoder.onnx')
    .option('--json', 'print JSON')
    .action(async (target: string, { out, json }: ReadOptions & { out: string }) => {
      const dir = await newestFolder(resolve(program.opts<{ dataDir: string }>().dataDir), target);
      const report = await exportEncoder(dir, resolve(out));
      const { input, output, mean, std, step, file, sizeBytes } = report;
      const lines = [
        `${file}  ${(sizeBytes / 1e6).toFixed(1)} MB, step ${step}`,
        `takes ${input.name} float32 [${input.shape.join(', ')}], each pixel (value / 255 - mean) / std, mean [${mean.join(', ')}], std [${std.join(', ')}]`,
        `gives ${output.name} float32 [${output.shape.join(', ')}]`,
      ];
      process.stdout.write(`${json === true ? JSON.stringify(report) : lines.join('\n')}\n`);
    });
  withExamples(exported, [
    ['maestro checkpoint export JOB --out encoder.onnx', "a job's newest checkpoint, for any ONNX runtime"],
    ['maestro checkpoint export step-00000100 --json', 'with the normalisation to use, as JSON'],
  ]);
}

async function examine(dir: string): Promise<ExaminedCheckpoint> {
  const report = await verifyCheckpoint(dir);
  const { mtime } = await stat(join(dir, MANIFEST_FILE)).catch(() => stat(dir)); // Without a manifest, the folder's time says most.
  return { ...report, writtenAt: mtime.toISOString() };
}
