import { createInterface } from 'node:readline';
import { augmentConfig, openDataset, openLoader } from '@maestro/data';
import { parseJobSpec } from '@maestro/protocol';
import { planRecipe, planSource, recipeFiller } from '@maestro/recipes';

/**
 * `ourLoaderMain.js FOLDER BATCH`: answers each line `{"epochs"}` with `{"seconds", "cpuSeconds"}` an image, over that many epochs of the
 * folder, read by the loader of a pre-training job with one thread.
 */
const [path = '', batchText] = process.argv.slice(2);
const microBatch = Number(batchText);
const dataset = await openDataset({ format: 'image-folder', path });
const spec = parseJobSpec({ data: { format: 'image-folder', path }, schedule: { epochs: 1 } });
const source = planSource(spec, { samples: dataset.length, classes: [] });
const plan = await planRecipe(spec, source.data);
const augment = augmentConfig(plan.image.channels);
const loader = openLoader({ dataset, ...plan.image, augment, seed: 0, inputs: plan.inputs, filler: recipeFiller(source), microBatch });
const answer = (told: object): void => void process.stdout.write(`${JSON.stringify(told)}\n`);
let epoch = 0;

answer({ images: dataset.length });
for await (const line of createInterface({ input: process.stdin })) {
  const { epochs } = JSON.parse(line) as { readonly epochs: number };
  const batches = Array.from({ length: epochs }, (_, n) => n + epoch).flatMap((each) =>
    Array.from({ length: dataset.length / microBatch }, (_, n) => ({ epoch: each, first: n * microBatch, count: microBatch })),
  );
  epoch += epochs;
  const images = epochs * dataset.length;
  const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
  for (const [n, positions] of batches.entries()) {
    loader.prefetch(batches.slice(n, n + 3));
    const batch = await loader.batch(positions);
    if (batch.count !== microBatch) throw new Error(`${batch.skipped.length} images could not be decoded`);
    batch.release();
  }
  const { user, system } = process.cpuUsage(startCpu);
  answer({ seconds: (performance.now() - startMs) / 1000 / images, cpuSeconds: (user + system) / 1e6 / images });
}
await loader.close();
