import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataset } from '@maestro/data';

/** Files of the folder; `MAESTRO_BENCH_FILES` is for a quick look. */
const FILES = Number(process.env['MAESTRO_BENCH_FILES'] ?? 1_000_000);
const PER_FOLDER = 1000;
const MOST_BYTES = 4000;

/** Measures what it costs a worker to open an image folder of a million files: listing, sizes, fingerprint and the held-out images. */
export async function benchFolder(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-folder-'));
  try {
    const bytes = Buffer.alloc(MOST_BYTES);
    for (let first = 0; first < FILES; first += PER_FOLDER) {
      const folder = join(dir, `class-${first}`);
      await mkdir(folder);
      const count = Math.min(PER_FOLDER, FILES - first);
      const write = (i: number): Promise<void> =>
        writeFile(join(folder, `${first + i}.jpeg`), bytes.subarray(0, 1 + ((first + i) % MOST_BYTES)));
      await Promise.all(Array.from({ length: count }, (_, i) => write(i)));
    }
    const [began, before] = [performance.now(), process.cpuUsage()];
    const { length } = await openDataset({ format: 'image-folder', path: dir, holdOut: 0.01 });
    const { user, system } = process.cpuUsage(before);
    const seconds = (performance.now() - began) / 1000;
    process.stdout.write(
      `folder of ${FILES} files, ${length} to train on: opened in ${seconds.toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of processor\n`,
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
