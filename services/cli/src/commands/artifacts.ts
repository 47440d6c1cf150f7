import { resolve } from 'node:path';
import { parseJobSpec } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { collect } from '../terminal/options.ts';
import { printResult } from '../terminal/printResult.ts';

interface BuildOptions {
  readonly out: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** Adds `maestro artifacts build|inspect`: the ONNX graphs of a job, without a cluster. */
export function addArtifactCommands(program: Command): void {
  const artifacts = program.command('artifacts').description("build and inspect a job's ONNX graphs, which other tools can run too");

  const build = artifacts
    .command('build')
    .description("write the training, evaluation and optimizer graphs of a job file, with the job's initial parameters")
    .argument('<file>', 'job file (YAML or JSON)')
    .option('--out <dir>', 'folder to make', 'artifacts')
    .option('--set <key=value>', 'set a key of the job file, such as model.depth=6; may be repeated', collect, [])
    .option('--json', 'print JSON')
    .action(async (file: string, { out, set, json }: BuildOptions) => {
      const [{ readJobFile, setKeys }, { buildArtifacts, artifactsText }] = await Promise.all([
        import('../job/jobFile.ts'),
        import('../checkpoint/artifactsReport.ts'),
      ]);
      const report = await buildArtifacts(resolve(out), parseJobSpec(setKeys(await readJobFile(file), set)));
      printResult(json, report, artifactsText);
    });
  withExamples(build, [
    ['maestro artifacts build job.yaml --out graphs', 'what the workers of this job would run'],
    ['maestro artifacts build job.yaml --set model.depth=6', 'the same for a different model'],
  ]);

  const look = artifacts
    .command('inspect')
    .description('show the files, shapes, inputs and outputs of an artifacts folder; opens each graph in ONNX Runtime')
    .argument('<folder>', 'an artifacts folder, such as .maestro/jobs/JOB/artifacts')
    .option('--json', 'print JSON')
    .action(async (folder: string, { json }: { json?: boolean }) => {
      const { artifactsText, inspectArtifacts } = await import('../checkpoint/artifactsReport.ts');
      const report = await inspectArtifacts(resolve(folder));
      printResult(json, report, artifactsText);
    });
  withExamples(look, [['maestro artifacts inspect .maestro/jobs/JOB/artifacts', 'the graphs that a job trained with']]);
}
