import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FlatLayout } from '@maestro/tensors';
import type { CaseName } from './trainingCase.ts';

/** Elements of each tensor that a fixture has, spread over it. */
const SAMPLES = 24;

/** A gradient in short: enough to see any wrong tensor, and by how much. */
export interface GradientFixture {
  readonly images: number;
  readonly loss: number;
  /** SHA-256 of all float32 of the gradient, where and how it was made. */
  readonly sha256: string;
  readonly madeBy: string;
  /** By tensor: base64 of float32 [norm, largest magnitude, samples]. */
  readonly tensors: Readonly<Record<string, string>>;
}

/** How far a gradient is from a fixture: the worst tensor by its samples, and by its norm. */
export interface GradientError {
  /** |loss - expected| / expected. */
  readonly lossError: number;
  /** Largest |difference| of a sample over the largest magnitude in its tensor. */
  readonly sampleError: number;
  readonly worstSampleIn: string;
  /** Largest |norm - expected| / expected. */
  readonly normError: number;
  readonly worstNormIn: string;
  /** Whether every bit is that of the fixture. */
  readonly isSameBits: boolean;
}

/** The path of a committed fixture, beside the sources. */
export function fixturePath(name: string): string {
  return fileURLToPath(new URL(`../../gpu/fixtures/${name}.json`, import.meta.url));
}

/** Reads the committed gradient of a model. */
export function readGradientFixture(name: CaseName): GradientFixture {
  return JSON.parse(readFileSync(fixturePath(name), 'utf8')) as GradientFixture;
}

/** SHA-256 of all bits of a vector. */
export function hashOf(vector: Float32Array): string {
  return createHash('sha256').update(vector).digest('hex');
}

/** Shortens a gradient to what {@link GradientFixture} keeps of it. */
export function summarise(layout: FlatLayout, gradient: Float32Array): Record<string, string> {
  return Object.fromEntries(
    layout.tensors.map(({ name, offset, size }) => [name, encode(numbersOf(gradient.subarray(offset, offset + size)))]),
  );
}

/** Compares a gradient with a fixture. A NaN anywhere is an error of Infinity. */
export function compare(
  layout: FlatLayout,
  found: { readonly loss: number; readonly gradient: Float32Array },
  fixture: GradientFixture,
): GradientError {
  let worst = { sampleError: 0, worstSampleIn: '', normError: 0, worstNormIn: '' };
  for (const { name, offset, size } of layout.tensors) {
    const own = numbersOf(found.gradient.subarray(offset, offset + size));
    const expected = decode(fixture.tensors[name] ?? '');
    const most = expected[1]!;
    const sampleError = orInfinity(Math.max(...own.slice(2).map((value, i) => Math.abs(value - expected[i + 2]!) / most)));
    const normError = orInfinity(Math.abs(own[0]! - expected[0]!) / expected[0]!);
    if (sampleError > worst.sampleError) worst = { ...worst, sampleError, worstSampleIn: name };
    if (normError > worst.normError) worst = { ...worst, normError, worstNormIn: name };
  }
  const lossError = orInfinity(Math.abs(found.loss - fixture.loss) / fixture.loss);
  return { lossError, ...worst, isSameBits: hashOf(found.gradient) === fixture.sha256 };
}

const orInfinity = (value: number): number => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value);

function numbersOf(tensor: Float32Array): Float32Array {
  let squares = 0;
  let most = 0;
  for (const value of tensor) {
    squares += value * value;
    if (!(Math.abs(value) <= most)) most = Math.abs(value);
  }
  const count = Math.min(SAMPLES, tensor.length);
  const samples = Array.from({ length: count }, (_, i) => tensor[Math.floor((i * tensor.length) / count)]!);
  return Float32Array.of(Math.sqrt(squares), most, ...samples);
}

function encode(numbers: Float32Array): string {
  return Buffer.from(numbers.buffer).toString('base64');
}

function decode(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
}
