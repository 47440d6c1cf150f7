import { writeFileSync } from 'node:fs';
import { runtimeBuild } from '@maestro/engine';
import { fixturePath, type GradientFixture, hashOf, summarise } from './fixture.ts';
import { CASE_NAMES, gradientOf, trainingCase } from './trainingCase.ts';
import { trainingLosses } from './trainingCurve.ts';

/** `node tests/dist/gpu/makeFixtures.js`: writes what the check compares with, from onnxruntime-node on one thread of a CPU. */
const IMAGES = 2;
const cpu = { device: 'cpu', engine: 'node', threads: 1 } as const;
const { ort, platform, instructions } = runtimeBuild();
const madeBy = `onnxruntime-node ${ort}, ${platform}, ${instructions}, 1 thread`;

for (const name of CASE_NAMES) {
  const each = trainingCase(name);
  const trainer = await each.open(IMAGES, cpu);
  const { loss, gradient } = await gradientOf(each, trainer, IMAGES);
  await trainer.close();
  const fixture: GradientFixture = { images: IMAGES, loss, sha256: hashOf(gradient), madeBy, tensors: summarise(each.layout, gradient) };
  write(name, fixture);
}
write('curve', { madeBy, losses: await trainingLosses(trainingCase('nano'), cpu) });

function write(name: string, content: object): void {
  writeFileSync(fixturePath(name), `${JSON.stringify(content, null, 2)}\n`);
}
