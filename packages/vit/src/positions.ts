import { gridSize, type VitConfig } from './geometry.ts';

/** Wave lengths of the position code run geometrically up to this many patches (Vaswani et al. 2017, section 3.5). */
const LONGEST_PERIOD = 10_000;

/**
 * The fixed 2-D sin-cos position table of an MAE, row 0 for the class token (zeros), then one row per patch in row-major order.
 *
 * A row is [sin(column * w), cos(column * w), sin(row * w), cos(row * w)] with w_i = 10000^(-i / (width / 4)), computed in float64 and
 * rounded once. The COLUMN comes first: the reference implementation has it so, and published weights depend on it.
 * @returns float32 [1 + gridSize^2, width], row-major.
 */
export function sinCosPositions({ gridSize, width }: { readonly gridSize: number; readonly width: number }): Float32Array {
  const quarter = width / 4;
  const omegas = Array.from({ length: quarter }, (_, i) => LONGEST_PERIOD ** -(i / quarter));
  const table = new Float32Array((1 + gridSize * gridSize) * width);
  for (let row = 0; row < gridSize; row++) {
    for (let column = 0; column < gridSize; column++) {
      const base = (1 + row * gridSize + column) * width;
      for (const [i, omega] of omegas.entries()) {
        table[base + i] = Math.sin(column * omega);
        table[base + quarter + i] = Math.cos(column * omega);
        table[base + 2 * quarter + i] = Math.sin(row * omega);
        table[base + 3 * quarter + i] = Math.cos(row * omega);
      }
    }
  }
  return table;
}

/** `pos_embed` of the checkpoints: float32 [1 + L, embedDim]. */
export function encoderPositions(config: Pick<VitConfig, 'imageSize' | 'patchSize' | 'embedDim'>): Float32Array {
  return sinCosPositions({
    gridSize: gridSize(config),
    width: config.embedDim,
  });
}
