import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { augmentConfig, type Dataset, type Loader, loadImages, openDataset, openLoader, packDataset, sampleContent } from '@maestro/data';
import { parseJobSpec } from '@maestro/protocol';
import { randomStream } from '@maestro/random';
import { planRecipe, planSource, recipeFiller } from '@maestro/recipes';
import { openStorage } from '@maestro/storage';
import sharp from 'sharp';
import { writeBlobs } from '../../support/cluster/blobs.ts';
import { serveFolder } from '../../support/network/rangeServer.ts';
import { median } from '../median.ts';

const COUNT = 256;
const WIDTH = 500;
const HEIGHT = 375;
const IMAGE_SIZE = 224;
const MICRO_BATCH = 32;
const ROUNDS = 5;
const SHORTER_SIDE = 256;
/** Side of the small images whose content hash is measured too. */
const SMALL_SIZE = 32;
/** Number of images whose hash is measured at a time: more do not stay in a processor's caches. */
const READ_AT_ONCE = 4;
const SMALL = 'IDX images of 16 x 16';

/**
 * Measures the images that one loader thread reads per second: photographs in a folder, in tar shards, and as pixels decoded once, from a
 * disk and from a web server through the cache; in turn, so that all see the same machine. Also reports the process's processor time, which
 * other programs disturb less, and the share of it spent on hashing the bytes.
 */
export async function benchDataset(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-bench-dataset-'));
  const loaders: Loader[] = [];
  const server = await serveFolder(dir);
  try {
    const path = join(dir, 'images');
    await writePhotographs(path);
    const folder = await openDataset({ format: 'image-folder', path });
    const packed = async (name: string, pixels?: { readonly shorterSide: number }): Promise<Dataset> => {
      await packDataset({ dataset: folder, to: openStorage(join(dir, name)), shardBytes: 64e6, pixels });
      return openDataset({ format: 'webdataset', path: join(dir, name) });
    };
    const cases = {
      'JPEG files in a folder': folder,
      'JPEG files in tar shards': await packed('jpeg'),
      'pixels in tar shards': await packed('pixels', { shorterSide: SHORTER_SIDE }),
      'pixels from a web server, in the cache since the first epoch': await openDataset(
        { format: 'webdataset', path: `${server.url}/pixels` },
        { cache: { dir: join(dir, 'cache'), limitBytes: 1e9 } },
      ),
    };
    const small = await openDataset({ format: 'idx', path: await writeBlobs(join(dir, 'blobs'), { count: COUNT }) });
    const rates = new Map<string, { readonly rate: number; readonly cpuMs: number }[]>();
    const spec = parseJobSpec({ data: { format: 'image-folder', path }, schedule: { epochs: 1 } });
    const source = planSource(spec, { samples: COUNT, classes: [] });
    const plan = await planRecipe(spec, source.data);
    const opened = Object.entries(cases).map(([name, dataset]) => {
      const augment = augmentConfig(3);
      const loader = openLoader({
        dataset,
        imageSize: IMAGE_SIZE,
        channels: 3,
        augment,
        seed: 0,
        inputs: plan.inputs,
        filler: recipeFiller(source),
        microBatch: MICRO_BATCH,
      });
      loaders.push(loader);
      return { name, loader };
    });
    const hashed = new Map<string, HashCost[]>();
    for (let epoch = 0; epoch <= ROUNDS; epoch++) {
      for (const { name, loader } of opened) {
        const rate = await readEpoch(loader, epoch);
        // The first epoch starts threads.
        if (epoch > 0) rates.set(name, [...(rates.get(name) ?? []), rate]);
      }
      for (const [name, dataset] of Object.entries({ ...cases, [SMALL]: small })) {
        const costs = await (name === SMALL ? measureHash(dataset, SMALL_SIZE, 1) : measureHash(dataset, IMAGE_SIZE, 3));
        if (epoch > 0) hashed.set(name, [...(hashed.get(name) ?? []), ...costs]);
      }
    }
    const medianRate = (name: string): number => median(rates.get(name)!.map(({ rate }) => rate));
    for (const [name, epochs] of rates) {
      const title = `dataset ${COUNT} images of ${WIDTH} x ${HEIGHT} to ${IMAGE_SIZE}, one thread: ${name}`;
      const ratio = (medianRate(name) / medianRate('JPEG files in a folder')).toFixed(2);
      const cpuMs = median(epochs.map((epoch) => epoch.cpuMs)).toFixed(2);
      process.stdout.write(
        `${title}: ${medianRate(name).toFixed(0)} images/s, ${ratio} of those in a folder; ${cpuMs} ms of processor an image\n`,
      );
    }
    for (const [name, costs] of hashed) {
      const [hashUs, loadUs] = [median(costs.map((cost) => cost.hashUs)), median(costs.map((cost) => cost.loadUs))];
      const figures = `${hashUs.toFixed(1)} us of processor an image, ${((100 * hashUs) / loadUs).toFixed(2)} % of loading it`;
      process.stdout.write(`dataset content hash: ${name}: ${figures}\n`);
    }
  } finally {
    for (const loader of loaders) await loader.close();
    await server.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Measures the microseconds of processor time to hash an image just after it was read, and to load it, a few at a time and in turn. Loading
 * without the hash would be no measure: the difference is lost in the noise of a busy machine.
 */
async function measureHash(dataset: Dataset, imageSize: number, channels: 1 | 3): Promise<readonly HashCost[]> {
  const costs: HashCost[] = [];
  for (let first = 0; first < COUNT; first += READ_AT_ONCE) {
    const indices = Array.from({ length: READ_AT_ONCE }, (_, n) => first + n);
    const samples = await Promise.all(indices.map((index) => dataset.read(index)));
    const hashUs = await cpuOf(() => {
      for (const sample of samples) sampleContent(sample);
    });
    const loadUs = await cpuOf(() => loadImages(dataset, indices, { imageSize, channels }));
    costs.push({ hashUs: hashUs / READ_AT_ONCE, loadUs: loadUs / READ_AT_ONCE });
  }
  return costs;
}

async function cpuOf(work: () => unknown): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

interface HashCost {
  readonly hashUs: number;
  readonly loadUs: number;
}

/** Measures images per second and processor time per image, over one epoch. */
async function readEpoch(loader: Loader, epoch: number): Promise<{ readonly rate: number; readonly cpuMs: number }> {
  const batches = Array.from({ length: COUNT / MICRO_BATCH }, (_, n) => ({ epoch, first: n * MICRO_BATCH, count: MICRO_BATCH }));
  const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
  loader.prefetch(batches);
  for (const positions of batches) (await loader.batch(positions)).release();
  const { user, system } = process.cpuUsage(startCpu);
  return { rate: (1000 * COUNT) / (performance.now() - startMs), cpuMs: (user + system) / 1000 / COUNT };
}

/** Writes gradients with noise: they compress about as well as photographs. */
async function writePhotographs(dir: string): Promise<void> {
  await mkdir(dir);
  for (let n = 0; n < COUNT; n++) {
    const random = randomStream({ seed: n, purpose: 'probe' });
    const [a, b] = [random.uniform(), random.uniform()];
    const pixels = Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % WIDTH, Math.floor(i / 3 / WIDTH)];
      return 40 + 90 * Math.abs(Math.sin(a * 9 + (x / WIDTH) * 7)) + 90 * Math.abs(Math.cos(b * 9 + (y / HEIGHT) * 5)) + ((i * 7919) % 23);
    });
    const file = await sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
      .jpeg({ quality: 85 })
      .toBuffer();
    await writeFile(join(dir, `${String(n).padStart(4, '0')}.jpg`), file);
  }
}
