import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { flatTensors, writeSafetensors } from '@maestro/checkpoint';
import { encodeModel } from '@maestro/graph';
import { buildOptimizerModel } from '@maestro/optim';
import type { JobSpec } from '@maestro/protocol';
import type { RecipePlan } from '@maestro/recipes';
import type { FlatLayout } from '@maestro/tensors';
import type { TrainingModel } from '../session/trainingModel.ts';

/** The files of a job's artifacts folder. */
export const ARTIFACT_FILES = {
  training: 'training_model.onnx',
  nativeTraining: 'training_model.native.onnx',
  evaluation: 'eval_model.onnx',
  optimizer: 'optimizer_model.onnx',
  checkpoint: 'checkpoint/model.safetensors',
  manifest: 'artifacts.json',
} as const;

/** Options of {@link writeArtifacts}. */
export interface ArtifactOptions {
  /** Folder to create; an existing one is left alone. */
  readonly dir: string;
  readonly plan: RecipePlan;
  readonly layout: FlatLayout;
  readonly spec: JobSpec;
  readonly training: Pick<TrainingModel, 'model' | 'native'>;
  /** The job's initial parameters, flat. */
  readonly parameters: Float32Array;
}

/**
 * Writes the four parts that ONNX Runtime training uses, so that people and other tools can run the job's graphs: the three models (of a
 * job with native operators that training graph too, which only maestro runs), and `checkpoint/` with the initial parameters.
 * `artifacts.json` names their inputs. Atomic: written to a temporary folder, then renamed.
 */
export async function writeArtifacts({
  dir,
  plan,
  layout,
  spec: { optimizer },
  training: { model, native },
  parameters,
}: ArtifactOptions): Promise<void> {
  if (await exists(dir)) return;
  const partial = `${dir}.${randomUUID()}`;
  await mkdir(dirname(dir), { recursive: true });
  try {
    await mkdir(partial);
    await writeFile(join(partial, ARTIFACT_FILES.training), native === undefined ? model : encodeModel(plan.buildTraining()));
    if (native !== undefined) await writeFile(join(partial, ARTIFACT_FILES.nativeTraining), model);
    const evaluation = plan.buildEvaluation?.();
    if (evaluation !== undefined) await writeFile(join(partial, ARTIFACT_FILES.evaluation), encodeModel(evaluation));
    await writeFile(join(partial, ARTIFACT_FILES.optimizer), buildOptimizerModel(layout.tensors, optimizer));
    await mkdir(join(partial, 'checkpoint'));
    await writeSafetensors(join(partial, ARTIFACT_FILES.checkpoint), flatTensors(layout, parameters), { metadata: { format: 'pt' } });
    const { evaluation: evaluationFile, nativeTraining, ...others } = ARTIFACT_FILES;
    const files = {
      ...others,
      ...(evaluation !== undefined && { evaluation: evaluationFile }),
      ...(native !== undefined && { nativeTraining }),
    };
    const { inputs, model: config } = plan;
    const manifest = { format: 'maestro-artifacts-1', files, config, inputs, parameters: layout.tensors };
    await writeFile(join(partial, ARTIFACT_FILES.manifest), `${JSON.stringify(manifest, null, 2)}\n`);
    await rename(partial, dir);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (!(await exists(dir))) throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
