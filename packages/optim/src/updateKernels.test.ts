import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { type WasmMemory, webAssembly } from '@maestro/kernels';
import fc from 'fast-check';
import { ADAMW_DEFAULTS } from './adamW.ts';
import { NUMBERS } from './arithmetic.ts';
import { compileUpdates } from './compileUpdates.ts';
import { ruleOf } from './ruleOf.ts';
import type { OptimizerSettings } from './section.ts';
import { openJavaScriptUpdates, openUpdateKernels } from './updateKernels.ts';

const { fround } = Math;
/** Elements of a range: parameters, gradient and two moments, and then the scalars. */
const LENGTH = 1024;

const SETTINGS: readonly OptimizerSettings[] = [
  ADAMW_DEFAULTS,
  { name: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 0.01 },
  { name: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 0 },
  { name: 'lars', momentum: 0.9, weightDecay: 0.01, trustCoefficient: 0.001 },
];

const special = [0, 0x80000000, 1, 0x7fffff, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000];
const word = fc.oneof(
  { weight: 4, arbitrary: fc.float({ noNaN: true, min: -4, max: 4 }).map((value) => new Uint32Array(Float32Array.of(value).buffer)[0]!) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffffffff }) },
  { weight: 1, arbitrary: fc.constantFrom(...special) },
);

function memoryOf(words: readonly number[], shared: boolean): WasmMemory {
  const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared });
  const target = new Uint32Array(memory.buffer);
  for (let i = 0; i < target.length; i++) target[i] = words[(i * 7 + Math.floor(i / LENGTH)) % words.length]!;
  return memory;
}

/** The bytes with every NaN made the same, as its payload is left open. */
function canonical({ buffer }: WasmMemory): Buffer {
  const words = new Uint32Array(buffer).map((bits) => ((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : bits));
  return Buffer.from(words.buffer);
}

function scalarsOf(settings: OptimizerSettings, step: number, lr = 1e-2, gradScale = 1): Float32Array {
  const rule = ruleOf(settings);
  const scalars = rule.scalarsOf(NUMBERS, { lr, step, gradScale, weightDecay: settings.weightDecay });
  return Float32Array.from(rule.scalars, (name) => scalars[name]!);
}

test('the committed WebAssembly is what the rules compile to', async () => {
  const committed = await readFile(new URL('../src/updates.wasm.ts', import.meta.url), 'utf8');
  expect(committed).toBe(await compileUpdates());
});

test.each(SETTINGS)('$name: the kernel gives the bits of its twin for any length, alignment, value and step (%#)', (settings) => {
  const lengths = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: LENGTH - 64 }));
  const offsets = fc.array(fc.integer({ min: 0, max: 63 }), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 200, maxLength: 200 }),
      lengths,
      offsets,
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.boolean(),
      (words, length, at, step, shared) => {
        const results = [openUpdateKernels, openJavaScriptUpdates].map((open) => {
          const memory = memoryOf(words, shared);
          const scalars = 4 * LENGTH * 4;
          new Float32Array(memory.buffer).set(scalarsOf(settings, step, 0.01, 0.37), scalars / 4);
          const [p, g, m, v] = at.map((element, range) => 4 * (element + LENGTH * range)) as [number, number, number, number];
          open(memory)[ruleOf(settings).kernel](p, g, m, v, length, scalars);
          return canonical(memory);
        });
        expect(Buffer.compare(results[0]!, results[1]!)).toBe(0);
      },
    ),
  );
});

test('AdamW has the bits that checkpoints were made with: each operation in its place, rounded once', () => {
  const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared: false });
  const length = 37;
  const at = (range: number): Float32Array => new Float32Array(memory.buffer, 4 * LENGTH * range, length);
  const [p, g, m, v] = [at(0), at(1), at(2), at(3)] as [Float32Array, Float32Array, Float32Array, Float32Array];
  for (let i = 0; i < length; i++) {
    p[i] = Math.sin(i);
    g[i] = Math.cos(3 * i) * 10 ** ((i % 7) - 4);
  }
  const expected = { p: p.slice(), m: m.slice(), v: v.slice() };
  const { beta1, beta2, eps, weightDecay } = ADAMW_DEFAULTS;
  const power = (base: number, exponent: number): number => Array.from({ length: exponent }).reduce<number>((x) => x * base, 1);
  for (let step = 1; step <= 3; step++) {
    const lr = 1e-3 * step;
    new Float32Array(memory.buffer).set(scalarsOf(ADAMW_DEFAULTS, step, lr, 0.5), 4 * LENGTH);
    openUpdateKernels(memory).adamW(0, 4 * LENGTH, 8 * LENGTH, 12 * LENGTH, length, 16 * LENGTH);
    const decay = fround(1 - lr * weightDecay);
    const correction = fround(Math.sqrt(1 - power(beta2, step)));
    const negativeStepSize = fround(-(lr / (1 - power(beta1, step))));
    for (let i = 0; i < length; i++) {
      const scaled = fround(g[i]! * 0.5);
      const oldM = expected.m[i]!;
      const nextM = fround(oldM + fround(fround(scaled - oldM) * fround(1 - beta1)));
      const nextV = fround(fround(expected.v[i]! * fround(beta2)) + fround(fround(fround(1 - beta2) * scaled) * scaled));
      const denominator = fround(fround(fround(Math.sqrt(nextV)) / correction) + fround(eps));
      expected.m[i] = nextM;
      expected.v[i] = nextV;
      expected.p[i] = fround(expected.p[i]! * decay) + fround(fround(negativeStepSize * nextM) / denominator);
    }
    expect({ p, m, v }).toEqual(expected);
  }
});

test('an address outside the memory traps in both', () => {
  for (const open of [openUpdateKernels, openJavaScriptUpdates]) {
    const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared: false });
    expect(() => open(memory).sgd(65_528, 0, 1024, 0, 4, 2048)).toThrow();
  }
});
