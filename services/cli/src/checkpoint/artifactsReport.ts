import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describeModel, type ModelValue } from '@maestro/engine';
import { encodeModel } from '@maestro/graph';
import { errorMessage, formatBytes, isTraining, type JobSpec, MaestroError } from '@maestro/protocol';
import { drawParameters, planRecipe } from '@maestro/recipes';
import { flatLayout } from '@maestro/tensors';
import { ARTIFACT_FILES, writeArtifacts } from '@maestro/worker';
import { textTable } from '../terminal/textTable.ts';

/** One file of an artifacts folder; for a model its inputs besides the parameters, and its outputs besides their gradients. */
export interface ArtifactReport {
  readonly name: string;
  readonly sizeBytes: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Content of an artifacts folder. */
export interface ArtifactsReport {
  readonly dir: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: { readonly tensors: number; readonly values: number };
  readonly files: readonly ArtifactReport[];
}

/**
 * Writes the graphs of a job, and its initial parameters, to a new folder.
 * @throws MaestroError `conflict` when the folder exists, `invalid-argument` when the job does not train.
 */
export async function buildArtifacts(dir: string, spec: JobSpec): Promise<ArtifactsReport> {
  if (!isTraining(spec)) {
    throw new MaestroError(
      'invalid-argument',
      `artifacts build: a job of recipe ${spec.recipe} does not train, so it has no graphs; \`maestro checkpoint export\` writes the ` +
        'encoder that it measures',
    );
  }
  if (await exists(dir)) throw new MaestroError('conflict', `artifacts build: ${dir} already exists; remove it or choose another --out`);
  // Graphs and initial parameters do not depend on the data.
  const plan = await planRecipe(spec, { samples: 0, classes: [] });
  const layout = flatLayout(plan.parameters);
  const parameters = drawParameters(plan, layout, spec.seed, new Float32Array(layout.length));
  await writeArtifacts({ dir, plan, layout, spec, training: { model: encodeModel(plan.buildTraining()) }, parameters });
  return inspectArtifacts(dir);
}

/**
 * Inspects the files, inputs and outputs of an artifacts folder; opens each graph in ONNX Runtime.
 * @throws MaestroError `not-found` when it is not one.
 */
export async function inspectArtifacts(dir: string): Promise<ArtifactsReport> {
  let manifest: {
    config: Record<string, unknown>;
    files: Record<string, string>;
    parameters: readonly { name: string; size: number }[];
    format?: string;
  };
  try {
    manifest = JSON.parse(await readFile(join(dir, ARTIFACT_FILES.manifest), 'utf8'));
  } catch (error) {
    throw new MaestroError('not-found', `artifacts inspect: ${dir} is not an artifacts folder: ${errorMessage(error)}`, { cause: error });
  }
  const names = new Set(manifest.parameters.map(({ name }) => name));
  const files: ArtifactReport[] = [];
  for (const name of Object.values({ ...manifest.files, manifest: ARTIFACT_FILES.manifest })) {
    const path = join(dir, name);
    const { size } = await stat(path);
    const isModel = name.endsWith('.onnx');
    const { inputs, outputs } = isModel ? await describeModel(path) : { inputs: [], outputs: [] };
    files.push({ name, sizeBytes: size, inputs: summary(inputs, names), outputs: summary(outputs, names) });
  }
  const values = manifest.parameters.reduce((sum, each) => sum + each.size, 0);
  return { dir, config: manifest.config, parameters: { tensors: names.size, values }, files };
}

/** Describes values by name, type and shape; those that belong to single parameters are only counted. */
function summary(all: readonly ModelValue[], parameters: ReadonlySet<string>): string[] {
  const isOfParameter = (name: string): boolean => parameters.has(name) || [...parameters].some((each) => name.endsWith(each));
  const own = all.filter(({ name }) => !isOfParameter(name));
  const others = all.length - own.length;
  return [
    ...own.map(({ name, type, shape }) => (type === '' ? name : `${name} ${type}[${shape.join(', ')}]`)),
    ...(others === 0 ? [] : [`${others} for parameters`]),
  ];
}

/** Formats the report for a terminal. */
export function artifactsText({ dir, config, parameters, files }: ArtifactsReport): string {
  const rows = files.map(({ name, sizeBytes, inputs, outputs }) => [name, formatBytes(sizeBytes), inputs.join('; '), outputs.join('; ')]);
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
