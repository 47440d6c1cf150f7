import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ModelValue } from '@maestro/engine';
import { errorMessage, MaestroError, parseJobSpec } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../examples.ts';
import { readJobFile, setKeys } from '../jobFile.ts';
import { collect } from '../options.ts';
import { textTable } from '../textTable.ts';

interface BuildOptions {
  readonly out: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** One file of an artifacts folder; a model with what it takes beside its parameters, and gives beside their gradients. */
interface ArtifactReport {
  readonly name: string;
  readonly sizeBytes: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** `maestro artifacts build|inspect`: the ONNX graphs of a job, without a cluster. */
export function addArtifactCommands(program: Command): void {
  const artifacts = program.command('artifacts').description("build and look at a job's ONNX graphs; other tools can run them too");

  const build = artifacts
    .command('build')
    .description('write the training, evaluation and optimizer graphs of a job file, with the parameters that the job starts from')
    .argument('<file>', 'job file (YAML or JSON)')
    .option('--out <dir>', 'folder to make', 'artifacts')
    .option('--set <key=value>', 'set a key of the job file, such as model.depth=6; may be repeated', collect, [])
    .option('--json', 'print JSON')
    .action(async (file: string, { out, set, json }: BuildOptions) => {
      const dir = resolve(out);
      if (await exists(dir))
        throw new MaestroError('conflict', `artifacts build: ${dir} is there already; remove it, or give another --out`);
      const { buildTrainingModel, flatLayout, initParameters, maeConfig, parameterSpecs } = await import('@maestro/mae');
      const { writeArtifacts } = await import('@maestro/worker');
      const spec = parseJobSpec(setKeys(await readJobFile(file), set));
      const config = maeConfig(spec.model);
      const layout = flatLayout(parameterSpecs(config));
      const parameters = initParameters(config, layout, spec.seed);
      await writeArtifacts({ dir, config, layout, spec, trainingModel: buildTrainingModel(config), parameters });
      const report = await inspect(dir);
      process.stdout.write(`${json === true ? JSON.stringify(report) : reportText(report)}\n`);
    });
  withExamples(build, [
    ['maestro artifacts build job.yaml --out graphs', 'what the workers of this job would run'],
    ['maestro artifacts build job.yaml --set model.depth=6', 'the same of another model'],
  ]);

  const look = artifacts
    .command('inspect')
    .description('files, shapes, inputs and outputs of an artifacts folder; each graph is opened in ONNX Runtime')
    .argument('<folder>', 'an artifacts folder, such as .maestro/jobs/JOB/artifacts')
    .option('--json', 'print JSON')
    .action(async (folder: string, { json }: { json?: boolean }) => {
      const report = await inspect(resolve(folder));
      process.stdout.write(`${json === true ? JSON.stringify(report) : reportText(report)}\n`);
    });
  withExamples(look, [['maestro artifacts inspect .maestro/jobs/JOB/artifacts', 'the graphs that a job was trained with']]);
}

interface ArtifactsReport {
  readonly dir: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: { readonly tensors: number; readonly values: number };
  readonly files: readonly ArtifactReport[];
}

async function inspect(dir: string): Promise<ArtifactsReport> {
  const { describeModel } = await import('@maestro/engine');
  const { ARTIFACT_FILES } = await import('@maestro/worker');
  let manifest: { config: Record<string, unknown>; parameters: readonly { name: string; size: number }[]; format?: string };
  try {
    manifest = JSON.parse(await readFile(join(dir, ARTIFACT_FILES.manifest), 'utf8'));
  } catch (error) {
    throw new MaestroError('not-found', `artifacts inspect: ${dir} is no artifacts folder: ${errorMessage(error)}`, { cause: error });
  }
  const names = new Set(manifest.parameters.map(({ name }) => name));
  const files: ArtifactReport[] = [];
  for (const name of Object.values(ARTIFACT_FILES)) {
    const path = join(dir, name);
    const { size } = await stat(path);
    const isModel = name.endsWith('.onnx');
    const { inputs, outputs } = isModel ? await describeModel(path) : { inputs: [], outputs: [] };
    files.push({ name, sizeBytes: size, inputs: summary(inputs, names), outputs: summary(outputs, names) });
  }
  const values = manifest.parameters.reduce((sum, each) => sum + each.size, 0);
  return { dir, config: manifest.config, parameters: { tensors: names.size, values }, files };
}

/** Values by name, type and shape; those that belong to single parameters are counted. */
function summary(all: readonly ModelValue[], parameters: ReadonlySet<string>): string[] {
  const isOfParameter = (name: string): boolean => parameters.has(name) || [...parameters].some((each) => name.endsWith(each));
  const own = all.filter(({ name }) => !isOfParameter(name));
  const others = all.length - own.length;
  return [
    ...own.map(({ name, type, shape }) => (type === '' ? name : `${name} ${type}[${shape.join(', ')}]`)),
    ...(others === 0 ? [] : [`${others} for parameters`]),
  ];
}

function reportText({ dir, config, parameters, files }: ArtifactsReport): string {
  const rows = files.map(({ name, sizeBytes, inputs, outputs }) => [
    name,
    `${(sizeBytes / 1e6).toFixed(2)} MB`,
    inputs.join('; '),
    outputs.join('; '),
  ]);
  return [
    dir,
    `model: ${Object.entries(config)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ')}`,
    `parameters: ${parameters.values} in ${parameters.tensors} tensors`,
    textTable([['FILE', 'SIZE', 'TAKES', 'GIVES'], ...rows], [1]),
  ].join('\n');
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
