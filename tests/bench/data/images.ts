import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderGrid } from '@maestro/data';
import { randomStream } from '@maestro/random';

/** Writes a folder of `count` PNG files of `size` x `size` pixels, each with a different colour gradient. */
export async function writeImages(dir: string, { count, size }: { readonly count: number; readonly size: number }): Promise<void> {
  await mkdir(dir, { recursive: true });
  const normalisation = { mean: [0, 0, 0], std: [1, 1, 1] };
  for (let n = 0; n < count; n++) {
    const random = randomStream({ seed: n, purpose: 'probe' });
    const [a, b, c] = [random.uniform(), random.uniform(), random.uniform()];
    const tile = Float32Array.from(
      { length: 3 * size * size },
      (_, i) => (a + b * ((i % size) / size) + c * (Math.floor(i / size) / size)) / 3,
    );
    await writeFile(join(dir, `${n}.png`), await renderGrid({ rows: [[tile]], size, channels: 3, normalisation, scale: 1, gap: 0 }));
  }
}
