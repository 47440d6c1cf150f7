import { MaestroError } from '@maestro/protocol';
import type { WeightFormat } from './weightFormat.ts';

/** All formats; the first is the default. To add one: a file here and an entry in this list. */
export const WEIGHT_FORMATS: readonly [WeightFormat, ...WeightFormat[]] = [
  {
    id: 'onnx',
    does:
      'the encoder as a self-contained ONNX model: input `images` float32 [N, C, H, W], each pixel (value / 255 - mean) / std; ' +
      'output `features` float32 [N, D], the mean over the patch tokens',
    fileName: 'encoder.onnx',
    write: async (checkpoint, file) => (await import('./onnxEncoder.ts')).writeOnnxEncoder(checkpoint, file),
  },
];

/** The format named `id`. @throws MaestroError `invalid-argument` with the names that there are. */
export function weightFormat(id: string): WeightFormat {
  const format = WEIGHT_FORMATS.find((each) => each.id === id);
  if (format !== undefined) return format;
  throw new MaestroError('invalid-argument', `format ${id}: expected one of ${WEIGHT_FORMATS.map((each) => each.id).join(', ')}`);
}
