import { afterEach, expect, test } from '@jest/globals';
import { copyFloats, copyRange, openArena, type SegmentedFloats } from '@maestro/kernels';
import { prepareNative } from '@maestro/native';
import { ADAMW_DEFAULTS, NUMBERS, openJavaScriptUpdates, ruleOf } from '@maestro/optim';
import type { FlatLayout, ParameterLayout } from '@maestro/tensors';
import { openTrainer, runModel, type TensorValue, type Trainer, type TrainerOptions } from '../index.ts';
import { TOY_INPUTS, toyBatch, toyLayout, toyParameters, toyTrainingModel } from '../testing/toyModel.ts';

const layout = toyLayout();
const adamW = { lr: 0.01 };
const opened: Trainer[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((trainer) => trainer.close()));
});

async function toyTrainer(options: Partial<TrainerOptions> = {}, loaded: FlatLayout = layout): Promise<Trainer> {
  const trainer = await openTrainer({
    trainingModel: toyTrainingModel(layout),
    layout,
    inputs: TOY_INPUTS,
    microBatch: 4,
    maxPartials: 2,
    treeDepth: 2,
    ...options,
  });
  opened.push(trainer);
  await trainer.load({ parameters: toyParameters(loaded), step: 0 });
  return trainer;
}

function flat(vector: SegmentedFloats): Float32Array {
  const values = new Float32Array(vector.length);
  copyFloats(values, vector);
  return values;
}

/** The gradient of one toy micro batch by ONNX Runtime alone, in the flat layout. */
async function referenceGradient({ inputs: { images, weights }, count, gradScale }: ReturnType<typeof toyBatch>): Promise<Float32Array> {
  const parameters = toyParameters(layout);
  const feeds: Record<string, TensorValue> = {
    images: { type: 'float32', data: Float32Array.from(images), dims: [count, 1, 4, 4] },
    weights: { type: 'int64', data: BigInt64Array.from(weights), dims: [count, 16] },
    grad_scale: { type: 'float32', data: Float32Array.of(gradScale), dims: [] },
  };
  for (const { name, shape, offset, size } of layout.tensors) {
    feeds[name] = { type: 'float32', data: parameters.slice(offset, offset + size), dims: shape };
  }
  const results = await runModel(toyTrainingModel(layout), feeds, { outputs: layout.tensors.map(({ name }) => `grad.${name}`) });
  const gradient = new Float32Array(layout.length);
  for (const { name, offset } of layout.tensors) gradient.set(results[`grad.${name}`]!.data as Float32Array, offset);
  return gradient;
}

/** The gradient of one batch as the trainer gives it out. */
async function gradientOf(trainer: Trainer, batch: ReturnType<typeof toyBatch>): Promise<Float32Array> {
  await trainer.forwardBackward(batch);
  await trainer.pushLeaf();
  await trainer.takePartial(0);
  return flat(trainer.partials[0]!);
}

/** Two steps over four leaves each: what a member with four virtual ranks does. */
async function twoSteps(trainer: Trainer): Promise<{ losses: number[]; parameters: Float32Array; secondMoments: Float32Array }> {
  const losses: number[] = [];
  for (const step of [1, 2]) {
    for (let leaf = 0; leaf < 4; leaf++) {
      losses.push((await trainer.forwardBackward(toyBatch(4, 10 * step + leaf))).loss);
      losses.push((await trainer.forwardBackward({ ...toyBatch(3, 20 * step + leaf), accumulate: true })).loss);
      await trainer.pushLeaf();
      if (leaf % 2 === 1) await trainer.mergeTop();
      if (leaf === 3) await trainer.mergeTop();
    }
    await trainer.takePartial(0);
    copyFloats(trainer.reduced, trainer.partials[0]!);
    await trainer.apply({ ...adamW, step });
  }
  const { parameters, secondMoments } = await trainer.snapshot();
  return { losses, parameters: parameters.slice(), secondMoments: secondMoments!.slice() };
}

test('the gradient of a micro batch is what ONNX Runtime gives, bit for bit, and padding stays zero', async () => {
  const trainer = await toyTrainer();
  expect(trainer.outputPath).toBe('in-place');
  for (const count of [4, 2, 4]) {
    const batch = toyBatch(count, count);
    expect(await gradientOf(trainer, batch)).toEqual(await referenceGradient(batch));
  }
});

test('in-place and copied outputs, one memory and many segments give equal bits', async () => {
  const reference = await twoSteps(await toyTrainer());
  expect(reference.losses.every((loss) => loss > 0)).toBe(true);
  expect(reference.parameters).not.toEqual(toyParameters(layout));
  expect(await twoSteps(await toyTrainer({ outputPath: 'copying' }))).toEqual(reference);
  expect(await twoSteps(await toyTrainer({ segmentFloats: 96 }))).toEqual(reference);
  expect(await twoSteps(await toyTrainer({ segmentFloats: 112, outputPath: 'copying' }))).toEqual(reference);
});

test('a gradient that stays in its slot gives the bits of one that is copied, with accumulation, merges, snapshots and clipping', async () => {
  const library = (await prepareNative())?.path;
  const train = async (end: 'takeReduced' | 'keepReduced', options: Partial<TrainerOptions>) => {
    const trainer = await toyTrainer(options);
    const seen: unknown[] = [];
    for (const step of [1, 2, 3]) {
      for (let leaf = 0; leaf < step; leaf++) {
        await trainer.forwardBackward(toyBatch(4, 10 * step + leaf));
        if (step > 1) await trainer.forwardBackward({ ...toyBatch(leaf === 1 ? 0 : 3, 20 * step + leaf), accumulate: true });
        await trainer.pushLeaf();
        if (leaf > 0) await trainer.mergeTop();
      }
      // A step that is begun and dropped leaves nothing behind.
      const { sumSquares } = await trainer[end]();
      if (step === 2) await trainer.clearTree();
      else {
        const between = await trainer.snapshot();
        seen.push(between.parameters.slice());
        await trainer.apply({ ...adamW, step, gradScale: 0.3 });
      }
      seen.push(sumSquares);
    }
    const { parameters, firstMoments, secondMoments } = await trainer.snapshot();
    return [...seen, parameters.slice(), firstMoments.slice(), secondMoments!.slice()];
  };
  const expected = await train('takeReduced', {});
  for (const options of [{}, { outputPath: 'copying' }, { segmentFloats: 96 }, { library }, { library, segmentFloats: 96 }] as const) {
    expect(await train('keepReduced', options)).toEqual(expected);
    expect(await train('takeReduced', options)).toEqual(expected);
  }
});

test('a tree of leaves is summed left to right, accumulation within the leaf first', async () => {
  const trainer = await toyTrainer();
  const leaves: Float32Array[] = [];
  for (let leaf = 0; leaf < 4; leaf++) {
    const parts = await Promise.all([toyBatch(4, leaf), toyBatch(2, 50 + leaf)].map(referenceGradient));
    leaves.push(sum(parts[0]!, parts[1]!));
    await trainer.forwardBackward(toyBatch(4, leaf));
    await trainer.forwardBackward({ ...toyBatch(2, 50 + leaf), accumulate: true });
    await trainer.pushLeaf();
    if (leaf % 2 === 1) await trainer.mergeTop();
  }
  await trainer.takePartial(1);
  await trainer.takePartial(0);
  expect(flat(trainer.partials[1]!)).toEqual(sum(leaves[2]!, leaves[3]!));
  expect(flat(trainer.partials[0]!)).toEqual(sum(leaves[0]!, leaves[1]!));
});

test('apply is the AdamW kernel on every tensor, with decay only where the layout says so', async () => {
  const trainer = await toyTrainer();
  const gradient = await referenceGradient(toyBatch(4, 1));
  const { length } = layout;
  const { ranges, memory } = openArena({ ranges: { p: length, g: length, m: length, v: length, scalars: 16 } });
  ranges.p.set(toyParameters(layout));
  ranges.g.set(gradient);
  const rule = ruleOf(ADAMW_DEFAULTS);
  const { adamW: update } = openJavaScriptUpdates(memory);
  for (const step of [1, 2, 3]) {
    copyFloats(trainer.reduced, gradient);
    await trainer.apply({ ...adamW, step, gradScale: 0.5 });
    for (const { offset, size, decay } of layout.tensors) {
      const weightDecay = decay ? ADAMW_DEFAULTS.weightDecay : 0;
      const scalars = rule.scalarsOf(NUMBERS, { ...adamW, step, gradScale: 0.5, weightDecay });
      for (const [k, name] of rule.scalars.entries()) ranges.scalars[k] = scalars[name]!;
      const [p, g, m, v] = [ranges.p, ranges.g, ranges.m, ranges.v].map((range) => range.byteOffset + 4 * offset);
      update(p!, g!, m!, v!, size, ranges.scalars.byteOffset);
    }
  }
  const { parameters, firstMoments, secondMoments, step } = await trainer.snapshot();
  expect([parameters, firstMoments, secondMoments]).toEqual([ranges.p, ranges.m, ranges.v]);
  expect(step).toBe(3);
});

test('a snapshot loaded elsewhere goes on with the same bits, and snapshots reuse their buffers', async () => {
  const first = await toyTrainer();
  await twoSteps(first);
  const state = await first.snapshot();
  const second = await toyTrainer();
  await second.load(state);
  const gradient = await referenceGradient(toyBatch(4, 9));
  for (const trainer of [first, second]) {
    copyFloats(trainer.reduced, gradient);
    await trainer.apply({ ...adamW, step: 3 });
  }
  const copies = await Promise.all([first.snapshot(), second.snapshot()]);
  expect(copies[1]).toEqual(copies[0]);
  expect(copies[0]!.parameters.buffer).toBe(state.parameters.buffer);
  expect(first.memory().snapshotBytes).toBe(12 * layout.length);
});

test('a snapshot whose memory was taken ahead, also while it is copied, has the same bits', async () => {
  const hidden = 30_000; // 4 MB a vector: several pieces to touch.
  const large = toyLayout(hidden);
  const trainer = await toyTrainer({ layout: large, trainingModel: toyTrainingModel(large) }, large);
  const [first] = await Promise.all([trainer.snapshot(), trainer.prepareSnapshot()]);
  expect(first.parameters).toEqual(toyParameters(large));
  await trainer.prepareSnapshot({ signal: AbortSignal.abort() });
  expect((await trainer.snapshot()).parameters.buffer).toBe(first.parameters.buffer);
});

test('a model without a sequence output is trained with copied outputs, and the log says why', async () => {
  const warnings: unknown[] = [];
  const logger = { info: () => undefined, warn: (fields: object, message: string) => warnings.push([fields, message]) };
  const trainer = await toyTrainer({ trainingModel: toyTrainingModel(layout, { sequence: false }), logger });
  expect(trainer.outputPath).toBe('copying');
  expect(warnings).toEqual([[{ reason: 'the first output of the training model is no sequence' }, 'outputs are copied']]);
  expect(await gradientOf(trainer, toyBatch(4, 2))).toEqual(await referenceGradient(toyBatch(4, 2)));
});

test('when in-place outputs stop working during a run, the step is redone by copying and the log says why', async () => {
  const warnings: { reason?: string }[] = [];
  const logger = { info: () => undefined, warn: (fields: object) => warnings.push(fields) };
  const trainer = await toyTrainer({ trainingModel: toyTrainingModel(layout, { sequence: false }), outputPath: 'in-place', logger });
  expect(await gradientOf(trainer, toyBatch(4, 2))).toEqual(await referenceGradient(toyBatch(4, 2)));
  expect(trainer.outputPath).toBe('copying');
  await trainer.forwardBackward(toyBatch(4, 2));
  expect(warnings).toHaveLength(1);
  expect(warnings[0]!.reason).toContain('in-place outputs: the run should reject with "Non tensor type');
});

test('a diverged loss comes back as NaN, not as a failure of in-place outputs', async () => {
  const trainer = await toyTrainer();
  const { loss } = await trainer.forwardBackward({ ...toyBatch(4, 1), gradScale: Number.NaN });
  expect(loss).toBeNaN();
  expect(trainer.outputPath).toBe('in-place');
});

test('calls out of order are refused, and clearTree begins a step again', async () => {
  const trainer = await toyTrainer();
  await expect(trainer.pushLeaf()).rejects.toThrow('pushLeaf: no leaf was begun');
  await expect(trainer.takePartial(0)).rejects.toThrow('takePartial with 0 subtrees on the stack and no leaf begun');
  await expect(trainer.forwardBackward({ ...toyBatch(4, 0), accumulate: true })).rejects.toThrow('there is no leaf to accumulate on');
  await trainer.forwardBackward(toyBatch(4, 0));
  await trainer.pushLeaf();
  await expect(trainer.mergeTop()).rejects.toThrow('mergeTop with 1 subtrees on the stack and no leaf begun');
  await trainer.clearTree();
  expect(await gradientOf(trainer, toyBatch(4, 3))).toEqual(await referenceGradient(toyBatch(4, 3)));
});

test.each([{}, { segmentFloats: 96 }])('two replicas that own a part each come to the bits of one that owns all (%o)', async (options) => {
  const alone = await toyTrainer(options);
  const cut = 70;
  const parts = [
    { first: 0, length: cut },
    { first: cut, length: layout.length - cut },
  ];
  const owners = await Promise.all(parts.map(() => toyTrainer(options)));
  await Promise.all(owners.map((trainer, i) => trainer.own(parts[i]!)));
  for (const step of [1, 2, 3]) {
    const gradient = await referenceGradient(toyBatch(4, step));
    copyFloats(alone.reduced, gradient);
    await alone.apply({ ...adamW, step });
    for (const [i, owner] of owners.entries()) {
      // An owner has the gradient of its part alone.
      copyFloats(owner.reduced, gradient);
      const other = parts[1 - i]!;
      copyRange(owner.reduced, new Float32Array(other.length).fill(Number.NaN), other);
      await owner.apply({ ...adamW, step });
      await owner.share('parameters');
    }
    for (const [i, { first, length }] of parts.entries()) copyRange(owners[1 - i]!.reduced, owners[i]!.reduced, { first, length });
    for (const owner of owners) await owner.adopt();
  }
  const expected = await alone.snapshot();
  // A newcomer takes the parameters of one, and the moments of each from its owner.
  const newcomer = await toyTrainer(options);
  for (const vector of ['parameters', 'firstMoments', 'secondMoments'] as const) {
    for (const [i, range] of parts.entries()) {
      const values = new Float32Array(new SharedArrayBuffer(4 * range.length));
      await owners[vector === 'parameters' ? 0 : i]!.read({ vector, range, values });
      await newcomer.write({ vector, range, values });
    }
  }
  await newcomer.setStep(3);
  expect(await newcomer.snapshot()).toEqual(expected);
  await expect(newcomer.apply({ ...adamW, step: 3 })).rejects.toMatchObject({ code: 'conflict' });
});

test('parameters that are loaded without moments begin with zero moments, whatever was written before', async () => {
  const trainer = await toyTrainer();
  const { parameters } = await trainer.snapshot();
  const initial = { parameters: parameters.slice(), step: 0 };
  const expectZero = async (): Promise<void> => {
    await trainer.load(initial);
    const { firstMoments, secondMoments } = await trainer.snapshot();
    expect([...firstMoments, ...secondMoments!].every((value) => value === 0)).toBe(true);
  };
  await gradientOf(trainer, toyBatch(4, 1));
  await trainer.apply({ ...adamW, step: 1 });
  await expectZero();
  const range = { first: 0, length: 8 };
  await trainer.write({ vector: 'secondMoments', range, values: new Float32Array(8).fill(3) });
  await expectZero();
  await trainer.load({ ...initial, firstMoments: new Float32Array(layout.length).fill(2), secondMoments: new Float32Array(layout.length) });
  await expectZero();
});

test('a step cannot be applied twice', async () => {
  const trainer = await toyTrainer();
  await trainer.apply({ ...adamW, step: 1 });
  await expect(trainer.apply({ ...adamW, step: 1 })).rejects.toMatchObject({
    name: 'MaestroError',
    code: 'conflict',
    message: 'apply: step 1 is not after step 1, which these parameters already have',
  });
});

test('a micro batch that does not fit is refused before ONNX Runtime sees it', async () => {
  const trainer = await toyTrainer();
  await expect(trainer.forwardBackward(toyBatch(5, 0))).rejects.toThrow('count must be in 1..4, found 5');
  await expect(trainer.forwardBackward({ ...toyBatch(2, 0), count: 3 })).rejects.toThrow(
    '3 samples need 48 float32 of images, [3, 1, 4, 4], found 32 in a Float32Array',
  );
  await expect(trainer.load({ parameters: new Float32Array(3), step: 0 })).rejects.toThrow(
    `load: parameters has 3 floats, the layout ${layout.length}`,
  );
});

test('a micro batch without images adds nothing, to the leaf or to what is accumulated', async () => {
  const trainer = await toyTrainer();
  const empty = toyBatch(0, 0);
  expect(await trainer.forwardBackward(toyBatch(3, 1))).toMatchObject({ loss: expect.any(Number) });
  expect(await trainer.forwardBackward({ ...empty, accumulate: true })).toMatchObject({ loss: 0 });
  await trainer.pushLeaf();
  await trainer.takePartial(0);
  expect(flat(trainer.partials[0]!)).toEqual(await referenceGradient(toyBatch(3, 1)));
  expect(await gradientOf(trainer, empty)).toEqual(new Float32Array(layout.length));
});

test('a model and a layout that do not fit are refused by the name of what differs', async () => {
  const renamed: ParameterLayout = {
    ...layout,
    tensors: layout.tensors.map((tensor, i) => (i === 0 ? { ...tensor, name: 'stem.weight' } : tensor)),
  };
  const reshaped = toyLayout(6);
  const message = async (options: Partial<TrainerOptions>) => toyTrainer(options).then(String, (error: Error) => error.message);
  expect(await message({ layout: renamed })).toContain('the model has an input encoder.weight that is neither a parameter');
  expect(await message({ layout: reshaped })).toBe('training model: parameter encoder.weight is [5,16] in the model, [6,16] in the layout');
  expect(await message({ trainingModel: Uint8Array.of(1, 2, 3) })).toContain('training model: ONNX Runtime refused it on cpu:');
  expect(await message({ threads: 0 })).toBe('openTrainer: threads must be at least 1, found 0');
});

test('calls that are not awaited one by one are served in their order', async () => {
  const trainer = await toyTrainer();
  const order: string[] = [];
  await Promise.all([
    trainer.forwardBackward(toyBatch(4, 0)).then(() => order.push('leaf')),
    trainer.pushLeaf().then(() => order.push('push')),
    trainer.takePartial(0).then(() => order.push('take')),
  ]);
  expect(order).toEqual(['leaf', 'push', 'take']);
  expect(flat(trainer.partials[0]!)).toEqual(await referenceGradient(toyBatch(4, 0)));
});

test('a closed trainer refuses calls and can be closed again', async () => {
  const trainer = await toyTrainer();
  const waiting = trainer.forwardBackward(toyBatch(4, 0));
  const closed = trainer.close();
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  await closed;
  await trainer.close();
  await expect(trainer.pushLeaf()).rejects.toThrow('pushLeaf was not started: the compute thread was closed');
});

function sum(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => Math.fround(value + b[i]!));
}

test('replicas train apart as trainers of their own would, and go on from the outer parameters with their own moments', async () => {
  const shared = () => new Float32Array(new SharedArrayBuffer(4 * layout.length));
  const trainer = await toyTrainer({ replicas: 2, segmentFloats: 96 });
  const apart = await Promise.all([toyTrainer(), toyTrainer()]);
  const step = async (of: Trainer, replica: number, seed: number, number: number): Promise<number> => {
    await of.forwardBackward({ ...toyBatch(4, seed), replica });
    await of.pushLeaf();
    // Handed over in the one, copied in the others.
    const { sumSquares } = of === trainer ? await of.keepReduced() : await of.takeReduced();
    await of.apply({ ...adamW, step: number, replica });
    return sumSquares;
  };
  await trainer.load({ parameters: toyParameters(layout), step: 0, replica: 1 });
  await trainer.loadOuter({ parameters: toyParameters(layout) });
  for (const number of [1, 2]) {
    for (const replica of [0, 1]) {
      const seed = 10 * number + replica;
      expect(await step(trainer, replica, seed, number)).toBe(await step(apart[replica]!, 0, seed, number));
    }
  }
  const ends = await Promise.all(apart.map((each) => each.snapshot()));

  // The sum of the deltas, by the same calls as gradients.
  await trainer.pushDelta(0);
  await trainer.pushDelta(1);
  await trainer.mergeTop();
  await trainer.takeReduced();
  const start = toyParameters(layout);
  const deltas = start.map((value, i) => Math.fround(value - ends[0]!.parameters[i]!) + Math.fround(value - ends[1]!.parameters[i]!));
  expect(flat(trainer.reduced)).toEqual(deltas);
  await trainer.applyOuter({ lr: 1, momentum: 0, replicas: 2, held: 2 });

  const outer = { parameters: shared(), momentum: shared() };
  await trainer.copyOuter(outer);
  expect(outer.parameters).toEqual(Float32Array.from(start, (value, i) => value - deltas[i]! / 2));
  for (const replica of [0, 1]) {
    const moments = { replica, firstMoments: shared(), secondMoments: shared() };
    await trainer.copyMoments(moments);
    expect(moments.firstMoments).toEqual(ends[replica]!.firstMoments);
    expect(moments.secondMoments).toEqual(ends[replica]!.secondMoments);
    // From the outer parameters, with the moments, both go on alike.
    await apart[replica]!.load({ ...moments, parameters: outer.parameters, step: 2, replica: 0 });
    expect(await step(trainer, replica, 40 + replica, 3)).toBe(await step(apart[replica]!, 0, 40 + replica, 3));
  }
});
