import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { flatTensors, writeCheckpoint } from '@maestro/checkpoint';
import { buildEvalModel, buildOptimizerModel, type FlatLayout, initParameters, type MaeConfig } from '@maestro/mae';
import type { JobSpec } from '@maestro/protocol';

/** The files of a job's artifacts folder. */
export const ARTIFACT_FILES = {
  training: 'training_model.onnx',
  evaluation: 'eval_model.onnx',
  optimizer: 'optimizer_model.onnx',
  manifest: 'artifacts.json',
} as const;

/** What goes into a job's artifacts. */
export interface ArtifactOptions {
  /** Folder to make; left alone when it is there. */
  readonly dir: string;
  readonly config: MaeConfig;
  readonly layout: FlatLayout;
  readonly spec: JobSpec;
  readonly trainingModel: Uint8Array;
}

/**
 * Writes the four parts that ONNX Runtime training uses, for people and other tools to run the job's graphs with: the three models,
 * and `checkpoint/` with the initial parameters. `artifacts.json` names their inputs. All or nothing: written aside, then renamed.
 */
export async function writeArtifacts({ dir, config, layout, spec: { seed, optimizer }, trainingModel }: ArtifactOptions): Promise<void> {
  if (await exists(dir)) return;
  const partial = `${dir}.${randomUUID()}`;
  await mkdir(dirname(dir), { recursive: true });
  try {
    await mkdir(partial);
    await writeFile(join(partial, ARTIFACT_FILES.training), trainingModel);
    await writeFile(join(partial, ARTIFACT_FILES.evaluation), buildEvalModel(config));
    await writeFile(join(partial, ARTIFACT_FILES.optimizer), buildOptimizerModel(layout.tensors, optimizer));
    const zeros = flatTensors(layout, new Float32Array(layout.length));
    const parameters = flatTensors(layout, initParameters(config, layout, seed));
    await writeCheckpoint({
      root: join(partial, 'checkpoint'),
      step: 0,
      parameters,
      firstMoments: zeros,
      secondMoments: zeros,
      state: { seed },
    });
    const manifest = { format: 'maestro-artifacts-1', files: ARTIFACT_FILES, config, parameters: layout.tensors };
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
