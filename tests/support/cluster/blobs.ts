import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomStream } from '@maestro/random';

const SIZE = 16;
const CLASSES = 4;

/** Writes an IDX data set of `count` grey 16 x 16 images: one soft blob each, whose corner is its class. Returns the folder. */
export async function writeBlobs(dir: string, { count }: { readonly count: number }): Promise<string> {
  await mkdir(dir, { recursive: true });
  for (const [split, seed] of [
    ['train', 1],
    ['t10k', 2],
  ] as const) {
    const random = randomStream({ seed, purpose: 'probe' });
    const pixels = new Uint8Array(count * SIZE * SIZE);
    const labels = new Uint8Array(count);
    for (let n = 0; n < count; n++) {
      labels[n] = random.uint32() % CLASSES;
      const [x, y] = [4 + 8 * (labels[n]! % 2) + random.normal(), 4 + 8 * Math.floor(labels[n]! / 2) + random.normal()];
      const width = 2 + 2 * random.uniform();
      for (let i = 0; i < SIZE * SIZE; i++) {
        const distance = ((i % SIZE) - x) ** 2 + (Math.floor(i / SIZE) - y) ** 2;
        pixels[n * SIZE * SIZE + i] = 255 * Math.exp(-distance / (2 * width * width));
      }
    }
    await writeFile(join(dir, `${split}-images-idx3-ubyte`), idx([count, SIZE, SIZE], pixels));
    await writeFile(join(dir, `${split}-labels-idx1-ubyte`), idx([count], labels));
  }
  return dir;
}

/** Encodes the IDX format: two zero bytes, 8 for unsigned bytes, the number of dimensions, the dimensions big-endian, the data. */
function idx(dims: readonly number[], data: Uint8Array): Buffer {
  const head = Buffer.alloc(4 + 4 * dims.length);
  head.writeUInt8(8, 2);
  head.writeUInt8(dims.length, 3);
  for (const [i, dim] of dims.entries()) head.writeUInt32BE(dim, 4 + 4 * i);
  return Buffer.concat([head, data]);
}
