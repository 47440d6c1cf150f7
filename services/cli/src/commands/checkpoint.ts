import { resolve } from 'node:path';
import { formatBytes } from '@maestro/protocol';
import { WEIGHT_FORMATS, weightFormat } from '@maestro/weights';
import { type Command, Option } from 'commander';
import { withExamples } from '../job/examples.ts';
import { LOCATION_HELP } from '../terminal/options.ts';
import { forTerminal, printResult } from '../terminal/printResult.ts';

interface ReadOptions {
  readonly location?: string;
  readonly json?: boolean;
}

/**
 * Adds `maestro checkpoint ls|verify|export`: reads a folder or an object store; asks the coordinator only for a location named by a job's
 * file.
 */
export function addCheckpointCommand(program: Command): void {
  const checkpoint = program.command('checkpoint').description('list, verify and export checkpoints, in folders or s3://bucket/prefix');

  const ls = checkpoint
    .command('ls')
    .description("list a job's checkpoints, oldest first, with step, size, age and hash; verifies every byte and reports damage")
    .argument('<job>', 'a job (id, unique prefix, name, or @last), or a place with checkpoints: a folder, or s3://bucket/prefix')
    .option('--location <place>', LOCATION_HELP)
    .option('--json', 'print JSON')
    .action(async (job: string, { location, json }: ReadOptions) => {
      const { examineAll, checkpointTable } = await examination();
      const examined = await examineAll(program, job, location);
      printResult(json, examined, checkpointTable);
    });

  const verify = checkpoint
    .command('verify')
    .description('verify every byte of a checkpoint, or of all checkpoints of a job, against its manifest; exit code 1 if damaged')
    .argument('<checkpoint>', 'a checkpoint, such as step-00000100 or s3://bucket/prefix/job/step-00000100, or a job (all its checkpoints)')
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
    ['maestro checkpoint ls JOB', 'all checkpoints of a job, oldest first, wherever its job file puts them'],
    ['maestro checkpoint ls /backup/checkpoints --json', 'checkpoints in any folder'],
    ['maestro checkpoint ls s3://bucket/prefix/JOB', 'checkpoints in an object store'],
  ]);
  withExamples(verify, [['maestro checkpoint verify step-00000100 && cp -r step-00000100 /backup', 'copy it only if it is valid']]);

  const exported = checkpoint
    .command('export')
    .description(`export the weights of a checkpoint. ${WEIGHT_FORMATS.map(({ id, does }) => `${id}: ${does}`).join('; ')}`)
    .argument('<checkpoint>', 'a checkpoint folder, or a job (id, unique prefix, name, or @last) for its newest valid checkpoint')
    .addOption(new Option('--format <format>', 'what to write').choices(WEIGHT_FORMATS.map(({ id }) => id)).default(WEIGHT_FORMATS[0].id))
    .option('--location <place>', LOCATION_HELP)
    .option('--out <file>', 'where it goes', WEIGHT_FORMATS[0].fileName)
    .option('--json', 'print JSON')
    .action(async (target: string, { location, format, out, json }: ReadOptions & { format: string; out: string }) => {
      const { newestFolder } = await import('../checkpoint/checkpointPlace.ts');
      const report = await weightFormat(format).write(await newestFolder(program, target, location), resolve(out));
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
    ['maestro checkpoint export step-00000100 --json', 'print the normalisation to apply, as JSON'],
  ]);
}

/** Loads the examination modules once a command needs them. */
async function examination() {
  const [examine, table] = await Promise.all([import('../checkpoint/examineCheckpoints.ts'), import('../checkpoint/checkpointTable.ts')]);
  return { ...examine, ...table };
}
