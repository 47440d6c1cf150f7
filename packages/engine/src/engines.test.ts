import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { copyFloats } from '@maestro/kernels';
import { prepareNative } from '@maestro/native';
import type { OptimizerSettings } from '@maestro/optim';
import type { ParameterLayout } from '@maestro/tensors';
import { openTrainer, type Trainer, type TrainerOptions } from './index.ts';
import { everyDtype, TOY_INPUTS, toyBatch, toyLayout, toyParameters, toyStages, toyTrainingModel } from './testing/toyModel.ts';

const layout = toyLayout();
const atStep = { lr: 0.01, gradScale: 0.7 };
const toy = {
  trainingModel: toyTrainingModel(layout),
  layout,
  inputs: TOY_INPUTS,
  microBatch: 4,
  maxPartials: 1,
  treeDepth: 2,
};
const opened: Trainer[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((trainer) => trainer.close()));
});

async function open(options: Partial<TrainerOptions>): Promise<Trainer> {
  const trainer = await openTrainer({ ...toy, ...options });
  opened.push(trainer);
  await trainer.load({ parameters: toyParameters(layout), step: 0 });
  return trainer;
}

/** The gradient of two leaves, each of two micro batches, one of them empty; gives their losses. */
async function accumulate(trainer: Trainer, step: number): Promise<number[]> {
  const losses: number[] = [];
  for (const leaf of [0, 1]) {
    losses.push((await trainer.forwardBackward(toyBatch(4, 10 * step + leaf))).loss);
    losses.push((await trainer.forwardBackward({ ...toyBatch(leaf === 0 ? 3 : 0, step), accumulate: true })).loss);
    await trainer.pushLeaf();
  }
  await trainer.mergeTop();
  return losses;
}

/** Steps on such gradients; then all that a trainer holds. */
async function train(trainer: Trainer, first = 1, last = 3) {
  const losses: number[] = [];
  for (let step = first; step <= last; step++) {
    losses.push(...(await accumulate(trainer, step)));
    await trainer.takePartial(0);
    copyFloats(trainer.reduced, trainer.partials[0]!);
    await trainer.apply({ ...atStep, step });
  }
  const { parameters, firstMoments, secondMoments, step } = await trainer.snapshot();
  return { losses, parameters: parameters.slice(), firstMoments: firstMoments.slice(), secondMoments: secondMoments!.slice(), step };
}

test('both engines give equal bits, also where parameters and moments are kept by ONNX Runtime', async () => {
  const expected = await train(await open({ engine: 'node' }));
  expect(expected.parameters).not.toEqual(toyParameters(layout));
  for (const options of [{}, { segmentFloats: 96 }, { isResident: true }, { isResident: true, segmentFloats: 96 }]) {
    const trainer = await open({ engine: 'capi', ...options });
    expect(trainer).toMatchObject({ engine: 'capi', isResident: options.isResident ?? false, outputPath: 'in-place' });
    expect(await train(trainer)).toEqual(expected);
  }
});

test('a gradient that stays with ONNX Runtime is applied to the same bits; its sum of squares is that of the host to float32', async () => {
  const expected = await train(await open({ engine: 'node' }));
  for (const options of [{}, { isResident: true }]) {
    const trainer = await open({ engine: 'capi', ...options });
    for (const { floats } of trainer.reduced.parts) floats.fill(Number.NaN);
    for (let step = 1; step <= 3; step++) {
      await accumulate(trainer, step);
      const { sumSquares } = await trainer.keepReduced();
      if (step === 1) {
        const host = await open({ engine: 'node' });
        await accumulate(host, step);
        expect(sumSquares / (await host.takeReduced()).sumSquares).toBeCloseTo(1, 6);
      }
      await trainer.apply({ ...atStep, step });
    }
    const { parameters, firstMoments, secondMoments } = await trainer.snapshot();
    expect({ parameters, firstMoments, secondMoments }).toEqual({
      parameters: expected.parameters,
      firstMoments: expected.firstMoments,
      secondMoments: expected.secondMoments,
    });
    expect(trainer.reduced.parts[0]!.floats[0]).toBeNaN();
  }
});

const stages = toyStages(layout);

test('a model with stages is run by the C API, whole where nobody asks for stages, to the same bits', async () => {
  const trainer = await open({ stages });
  expect(trainer).toMatchObject({ engine: 'capi', isResident: false });
  expect(await train(trainer)).toEqual(await train(await open({ engine: 'node' })));
});

test('a partial that is finished stage by stage has the bits of one that is taken whole, each range when its stage ends', async () => {
  /** Two leaves, the second of two micro batches, merged. */
  const begin = async (trainer: Trainer, last: ReturnType<typeof toyBatch>) => {
    await trainer.forwardBackward(toyBatch(4, 1));
    await trainer.pushLeaf();
    await trainer.forwardBackward(toyBatch(3, 2));
    return { ...last, accumulate: true };
  };
  const bits = ({ partials }: Trainer) => Float32Array.from(partials[0]!.parts.flatMap(({ floats }) => [...floats]));
  const variants = [{}, { segmentFloats: 96 }, { engine: 'node' }, { engine: 'capi', isResident: true }] as const;
  for (const options of variants) {
    const whole = await open({ engine: 'node' });
    const staged = await open({ stages, ...options });
    // Batches of other sizes, none at all, and the first size again.
    for (const [round, count] of [4, 2, 0, 4].entries()) {
      const input = await begin(whole, toyBatch(count, round));
      const { loss } = await whole.forwardBackward(input);
      await whole.pushLeaf();
      await whole.mergeTop();
      await whole.takePartial(0);
      await begin(staged, toyBatch(count, round));
      for (const { floats } of staged.partials[0]!.parts) floats.fill(0);
      const found: number[] = [];
      for (const [stage, { range }] of stages.entries()) {
        found.push((await staged.finishPartial({ ...input, stage, merges: 1, partial: 0 })).loss);
        const [ours, due] = [bits(staged), bits(whole)];
        expect(ours.subarray(range.first, range.first + range.length)).toEqual(due.subarray(range.first, range.first + range.length));
      }
      expect(found[0]).toBe(loss);
      expect(bits(staged)).toEqual(bits(whole));
      // The stack is empty again: nothing is left to merge.
      await expect(staged.mergeTop()).rejects.toThrow('0 subtrees on the stack');
    }
  }
});

test('stages that leave out a gradient are refused', async () => {
  await expect(open({ stages: stages.slice(0, 1) })).rejects.toMatchObject({
    code: 'invalid-argument',
    message: 'training model: no stage has an output grad.encoder.weight',
  });
});

/** A frozen tensor, a learning rate of its own, and what does not decay. */
const grouped = toyLayout(5, (name) => {
  if (name === 'encoder.weight') return { trainable: false };
  return name === 'decoder.weight' ? { lrScale: 0.25 } : {};
});

/** The toy's parameters by name, whatever the layout. */
function placed(into: ParameterLayout): Float32Array {
  const [from, values] = [toyParameters(layout), new Float32Array(into.length)];
  for (const { name, offset, size } of into.tensors) {
    const at = layout.tensors.find((tensor) => tensor.name === name)!.offset;
    values.set(from.subarray(at, at + size), offset);
  }
  return values;
}

test.each([
  { name: 'adamw', beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.05 },
  { name: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 0.01 },
  { name: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 0 },
  { name: 'lars', momentum: 0.9, weightDecay: 0.01, trustCoefficient: 0.02 },
] as const satisfies readonly OptimizerSettings[])(
  '$name with groups and a frozen tensor: host and device agree, and the frozen one keeps its bits (%#)',
  async (optimizer) => {
    const results = [];
    const library = (await prepareNative())?.path;
    for (const options of [
      { engine: 'node' },
      { engine: 'node', segmentFloats: 96 },
      { engine: 'node', segmentFloats: 96, library },
      { engine: 'capi', isResident: true },
    ] as const) {
      const trainer = await open({ layout: grouped, trainingModel: toyTrainingModel(grouped), optimizer, ...options });
      await trainer.load({ parameters: placed(grouped), step: 0 });
      await accumulate(trainer, 1);
      await trainer.takePartial(0);
      copyFloats(trainer.reduced, trainer.partials[0]!);
      await trainer.apply({ ...atStep, step: 1 });
      await accumulate(trainer, 2);
      await trainer.keepReduced();
      await trainer.apply({ ...atStep, step: 2 });
      const { step, ...vectors } = await trainer.snapshot();
      const momentsBytes = (optimizer.name === 'adamw' ? 8 : 4) * grouped.trainable.length;
      expect(trainer.memory()).toMatchObject({ parametersBytes: 4 * grouped.length, momentsBytes });
      expect(trainer.reduced.length).toBe(grouped.trainable.length);
      results.push(Object.fromEntries(Object.entries(vectors).map(([name, values]) => [name, values.slice()])));
      expect(step).toBe(2);
    }
    const [host, segmented, device] = results as [(typeof results)[0], (typeof results)[0], (typeof results)[0]];
    expect(segmented).toEqual(host);
    expect(Object.keys(host)).toEqual(['parameters', 'firstMoments', ...(optimizer.name === 'adamw' ? ['secondMoments'] : [])]);
    expect(host['firstMoments']).toHaveLength(grouped.trainable.length);
    // Norms on a device are summed in float32; all else is the kernel's, operation by operation.
    if (optimizer.name !== 'lars') expect(device).toEqual(host);
    for (const [name, values] of Object.entries(host)) {
      for (const [i, value] of values.entries())
        expect(Math.abs(device[name]![i]! - value)).toBeLessThanOrEqual(2e-6 * (1e-2 + Math.abs(value)));
    }
    const before = placed(grouped);
    const { length } = grouped.trainable;
    expect(host['parameters']!.slice(length)).toEqual(before.slice(length));
    expect(host['parameters']!.slice(0, length)).not.toEqual(before.slice(0, length));
  },
);

test('a learning rate scale is the learning rate times it', async () => {
  const half = toyLayout(5, () => ({ lrScale: 0.5 }));
  const [scaled, plain] = await Promise.all([open({ layout: half }), open({})]);
  for (const [trainer, lr] of [
    [scaled, 0.02],
    [plain, 0.01],
  ] as const) {
    await accumulate(trainer, 1);
    await trainer.takeReduced();
    await trainer.apply({ lr, step: 1 });
  }
  expect((await scaled.snapshot()).parameters).toEqual((await plain.snapshot()).parameters);
});

test('a gradient whose squares overflow float32, or that is not finite, comes to the host, which judges it', async () => {
  const resident = await open({ engine: 'capi', isResident: true });
  const host = await open({ engine: 'node' });
  for (const gradScale of [1e22, Number.NaN]) {
    const sums: number[] = [];
    for (const trainer of [resident, host]) {
      await trainer.forwardBackward({ ...toyBatch(4, 1), gradScale });
      await trainer.pushLeaf();
      sums.push((await (trainer === host ? trainer.takeReduced() : trainer.keepReduced())).sumSquares);
    }
    expect(sums[0]).toBe(sums[1]);
    expect(sums[0]! > 1e38 || Number.isNaN(sums[0])).toBe(true);
    expect(resident.reduced.parts[0]!.floats).toEqual(host.reduced.parts[0]!.floats);
  }
  host.reduced.parts[0]!.floats.fill(0);
  await host.forwardBackward({ ...toyBatch(4, 1), gradScale: Number.NaN });
  await host.pushLeaf();
  await host.keepReduced();
  expect(host.reduced.parts[0]!.floats).toEqual(resident.reduced.parts[0]!.floats);
});

test('what is kept for apply is not overwritten, and a step that begins again drops it', async () => {
  const trainer = await open({ engine: 'capi', isResident: true });
  const untouched = await open({ engine: 'node' });
  await accumulate(trainer, 7);
  await trainer.keepReduced();
  await expect(trainer.forwardBackward(toyBatch(4, 0))).rejects.toThrow('a gradient is kept for apply');
  await trainer.clearTree();
  expect(await train(trainer)).toEqual(await train(untouched));
});

test('state that ONNX Runtime keeps is read, and written, in pieces as on the host', async () => {
  const giver = await open({ engine: 'capi', isResident: true });
  await train(giver, 1, 2);
  const taker = await open({ engine: 'capi', isResident: true });
  await train(taker, 1, 1);
  for (const vector of ['parameters', 'firstMoments', 'secondMoments'] as const) {
    for (const range of [
      { first: 0, length: 70 },
      { first: 70, length: layout.length - 70 },
    ]) {
      const values = new Float32Array(new SharedArrayBuffer(4 * range.length));
      await giver.read({ vector, range, values });
      await taker.write({ vector, range, values });
    }
  }
  await taker.setStep(2);
  expect(await train(taker, 3, 4)).toEqual(await train(giver, 3, 4));
});

test('auto is onnxruntime-node on a cpu', async () => {
  expect(await open({})).toMatchObject({ engine: 'node', isResident: false });
});

test('a diverged loss comes back as NaN, and a batch that does not fit is refused, from either engine', async () => {
  for (const engine of ['node', 'capi'] as const) {
    const trainer = await open({ engine });
    expect((await trainer.forwardBackward({ ...toyBatch(4, 1), gradScale: Number.NaN })).loss).toBeNaN();
    await expect(trainer.forwardBackward(toyBatch(5, 0))).rejects.toThrow('count must be in 1..4, found 5');
  }
});

test('a model that does not fit is refused by the C API in the same words', async () => {
  const renamed = { ...layout, tensors: layout.tensors.map((tensor, i) => (i === 0 ? { ...tensor, name: 'stem.weight' } : tensor)) };
  for (const engine of ['node', 'capi'] as const) {
    await expect(open({ engine, layout: renamed })).rejects.toThrow('the model has an input encoder.weight that is neither a parameter');
    await expect(open({ engine, trainingModel: Uint8Array.of(1, 2, 3) })).rejects.toThrow(
      'training model: ONNX Runtime refused it on cpu:',
    );
  }
});

test('where koffi cannot be loaded, onnxruntime-node takes its place and the log says why', () => {
  const hook =
    'export const resolve = (name, context, next) => { if (name === "koffi") throw new Error("not installed"); return ' +
    'next(name, context); };';
  const register = `import { register } from 'node:module'; register('data:text/javascript,${encodeURIComponent(hook)}');`;
  const program = fileURLToPath(new URL('./testing/openCapiMain.js', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(register)}`, program], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const [warning, engine] = stdout.trim().split('\n');
  expect([warning, engine, stderr]).toEqual([expect.any(String), 'node', '']);
  expect(JSON.parse(warning!)).toEqual({
    reason: expect.stringContaining('capi: koffi cannot be loaded'),
    message: 'onnxruntime-node takes the place of the C API',
  });
});

test.each(['node', 'capi'] as const)(
  'inputs of every element type and rank reach the model of engine %s, and its sums come back',
  async (engine) => {
    const { inputs, layout: own, trainingModel, batch, sum } = everyDtype();
    const sums = ['metric.sum', 'metric.draws'];
    const trainer = await openTrainer({ trainingModel, layout: own, inputs, sums, microBatch: 3, maxPartials: 1, treeDepth: 0, engine });
    opened.push(trainer);
    await trainer.load({ parameters: new Float32Array(16).fill(1, 0, 2), step: 0 });
    expect(trainer.engine).toBe(engine);
    expect(await trainer.forwardBackward(batch)).toMatchObject({ loss: sum, sums: [sum, 0.75] });
    expect(await trainer.forwardBackward({ ...batch, count: 0, accumulate: true })).toMatchObject({ loss: 0, sums: [0, 0] });
    await trainer.pushLeaf();
    await trainer.takePartial(0);
    const gradient = new Float32Array(16);
    copyFloats(gradient, trainer.partials[0]!);
    expect([...gradient.subarray(0, 3)]).toEqual([sum / 2, sum / 2, 0]);
    const more = { ...inputs[2], name: 'classes' };
    const opening = openTrainer({
      trainingModel,
      layout: own,
      inputs: [...inputs, more],
      microBatch: 3,
      maxPartials: 1,
      treeDepth: 0,
      engine,
    });
    await expect(opening).rejects.toThrow('training model: expected an input classes of [N], the model has none');
  },
);
