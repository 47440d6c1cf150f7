import { resolve } from 'node:path';
import { formatBytes } from '@maestro/protocol';
import { type Command, Option } from 'commander';
import { withExamples } from '../job/examples.ts';
import { LOCATION_HELP } from '../terminal/options.ts';
import { forTerminal, printResult } from '../terminal/printResult.ts';

interface ReadOptions {
  readonly location?: string;
  readonly json?: boolean;
}

/**
 * `maestro checkpoint ls|verify|export`: what is in a folder or an object store; the coordinator is asked only for a place that a job's
 * file names.
 */
export function addCheckpointCommand(program: Command): void {
  const checkpoint = program.command('checkpoint').description('list, verify and export checkpoints, in folders or s3://bucket/prefix');

  const ls = checkpoint
    .command('ls')
    .description("a job's checkpoints, oldest first, each examined to the byte: step, size, age, hash, or what is wrong")
    .argument('<job>', 'a job (id, the beginning of it, name, or @last), or where checkpoints are: a folder, or s3://bucket/prefix')
    .option('--location <place>', LOCATION_HELP)
    .option('--json', 'print JSON')
    .action(async (job: string, { location, json }: ReadOptions) => {
      const { examineAll, checkpointTable } = await examination();
      const examined = await examineAll(program, job, location);
      printResult(json, examined, checkpointTable);
    });

  const verify = checkpoint
    .command('verify')
    .description('check every byte of a checkpoint, or of all checkpoints of a job, against its manifest; the exit code tells')
    .argument('<checkpoint>', 'a checkpoint, such as step-00000100 or s3://bucket/prefix/job/step-00000100; or a job for all of its')
    .option('--location <place>', LOCATION_HELP)
    .option('--json', 'print JSON')
    .action(async (target: string, { location, json }: ReadOptions) => {
      const [{ examine, examineAll }, { verifyText }] = await Promise.all([examination(), import('../checkpoint/verifyText.ts')]);
      const job = await (await import('../checkpoint/checkpointPlace.ts')).jobMeant(program, target);
      const examined = job === undefined ? [await examine(target)] : await examineAll(program, job, location);
      const report = job === undefined ? examined[0] : examined;
      printResult(json, report, () => forTerminal(examined).map(verifyText).join('\n\n'));
      if (examined.some(({ valid }) => !valid)) process.exitCode = 1;
    });

  withExamples(ls, [
    ['maestro checkpoint ls JOB', 'all of a job, oldest first, wherever its file puts them'],
    ['maestro checkpoint ls /backup/checkpoints --json', 'those of any folder'],
    ['maestro checkpoint ls s3://bucket/prefix/JOB', 'those in an object store'],
  ]);
  withExamples(verify, [['maestro checkpoint verify step-00000100 && cp -r step-00000100 /backup', 'copy only what is valid']]);

  const exported = checkpoint
    .command('export')
    .description(
      'write the encoder of a checkpoint as an ONNX model with its weights inside: `images` float32 [N, C, H, W] in, each pixel ' +
        '(value / 255 - mean) / std; `features` float32 [N, D] out, the mean over patch tokens',
    )
    .argument('<checkpoint>', 'a checkpoint folder, or a job (id, the beginning of it, name, or @last) for its newest valid checkpoint')
    .addOption(new Option('--format <format>', 'what to write').choices(['onnx']).default('onnx'))
    .option('--location <place>', LOCATION_HELP)
    .option('--out <file>', 'where it goes', 'encoder.onnx')
    .option('--json', 'print JSON')
    .action(async (target: string, { location, out, json }: ReadOptions & { out: string }) => {
      const [{ newestFolder }, { exportEncoder }] = await Promise.all([
        import('../checkpoint/checkpointPlace.ts'),
        import('../checkpoint/exportEncoder.ts'),
      ]);
      const dir = await newestFolder(program, target, location);
      const report = await exportEncoder(dir, resolve(out));
      const { input, output, mean, std, step, file, sizeBytes } = report;
      const lines = [
        `${file}  ${formatBytes(sizeBytes)}, step ${step}`,
        `takes ${input.name} float32 [${input.shape.join(', ')}], each pixel (value / 255 - mean) / std, mean [${mean.join(', ')}], ` +
          `std [${std.join(', ')}]`,
        `gives ${output.name} float32 [${output.shape.join(', ')}]`,
      ];
      printResult(json, report, () => forTerminal(lines).join('\n'));
    });
  withExamples(exported, [
    ['maestro checkpoint export JOB --out encoder.onnx', "a job's newest checkpoint, for any ONNX runtime"],
    ['maestro checkpoint export step-00000100 --json', 'with the normalisation to use, as JSON'],
  ]);
}

/** What looks at checkpoints, loaded once a command needs it. */
async function examination() {
  const [examine, table] = await Promise.all([import('../checkpoint/examineCheckpoints.ts'), import('../checkpoint/checkpointTable.ts')]);
  return { ...examine, ...table };
}
