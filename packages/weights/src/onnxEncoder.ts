import { MODEL_FILE, readSafetensors } from '@maestro/checkpoint';
import { augmentConfig } from '@maestro/data';
import { buildPackedEncoder, isEncoderParameter, maeConfig, parameterSpecs } from '@maestro/mae';
import { type JobSpec, MaestroError } from '@maestro/protocol';
import { joinLocation } from '@maestro/storage';
import { openTrained } from './openTrained.ts';
import type { ExportedWeights } from './weightFormat.ts';
import { writeAside } from './writeAside.ts';

/** An ONNX file is one protobuf message, which cannot be larger than this. */
const MOST_BYTES = 2 ** 31 - 1;

/**
 * Writes the encoder of a checkpoint as an ONNX model with its weights inside: `images` float32 [N, C, H, W], normalised, in; `features`
 * float32 [N, D] out, the mean over the patch tokens of the encoder's normalised output on all patches. The same are in the file's
 * metadata.
 * @throws MaestroError `checkpoint-invalid` when the checkpoint does not verify, `invalid-argument` when the encoder is too large for one
 *   file.
 */
export async function writeOnnxEncoder(dir: string, file: string): Promise<ExportedWeights> {
  const { spec, step, checkpointHash } = await openTrained(dir);
  const config = maeConfig(spec.model);
  const { channels, imageSize, embedDim } = config;
  const encoderBytes = parameterSpecs(config)
    .filter(isEncoderParameter)
    .reduce((sum, { shape }) => sum + 4 * shape.reduce((product, extent) => product * extent, 1), 0);
  if (encoderBytes > 0.99 * MOST_BYTES) {
    throw new MaestroError(
      'invalid-argument',
      `checkpoint export: an encoder of ${(encoderBytes / 1e9).toFixed(1)} GB does not fit into one ONNX file (limit 2 GB); use ` +
        'model.safetensors',
    );
  }
  const { mean, std } = augmentConfig(channels as 1 | 3, statisticsOf(spec));
  const tensors = new Map((await readSafetensors(joinLocation(dir, MODEL_FILE))).tensors.map((tensor) => [tensor.name, tensor.data]));
  const valuesOf = (name: string): Float32Array => {
    const values = tensors.get(name);
    if (values === undefined) throw new MaestroError('checkpoint-invalid', `checkpoint ${dir}: ${MODEL_FILE} has no tensor ${name}`);
    return values;
  };
  const chunks = buildPackedEncoder(config, valuesOf, {
    'maestro.input': `images: float32 [N, ${channels}, ${imageSize}, ${imageSize}], each pixel (value / 255 - mean) / std`,
    'maestro.output': `features: float32 [N, ${embedDim}], mean over patch tokens of the normalised encoder output on all patches`,
    'maestro.mean': JSON.stringify(mean),
    'maestro.std': JSON.stringify(std),
    'maestro.checkpoint': checkpointHash,
    'maestro.step': String(step),
  });
  const sizeBytes = await writeAside(file, chunks);
  return {
    file,
    sizeBytes,
    step,
    checkpointHash,
    input: { name: 'images', shape: ['N', channels, imageSize, imageSize] },
    output: { name: 'features', shape: ['N', embedDim] },
    mean,
    std,
  };
}

function statisticsOf({ augment: { mean, std } }: JobSpec): { mean?: readonly number[]; std?: readonly number[] } {
  return { ...(mean !== undefined && { mean }), ...(std !== undefined && { std }) };
}
