import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readSafetensors, safetensorsParts, writeSafetensors } from './safetensors.ts';
import { parseHeader, parseHeaderLength, type TensorEntry } from './safetensorsHeader.ts';
import type { NamedTensor } from './tensor.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maestro-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file made of a header's text and data, with whatever length it claims. */
function file(header: string, data: ArrayLike<number> = [], claimed: bigint = BigInt(Buffer.byteLength(header))): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed);
  return new Uint8Array(Buffer.concat([length, Buffer.from(header), Buffer.from(Array.from(data))]));
}

const fileOf = (tensors: readonly NamedTensor[], metadata?: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(safetensorsParts(tensors, metadata));

function entriesOf(bytes: Uint8Array): readonly TensorEntry[] {
  const length = parseHeaderLength(bytes, bytes.length);
  return parseHeader(bytes.subarray(8, 8 + length), bytes.length).entries;
}

const entry = (name: string, dtype: string, shape: number[], offsets: number[]) =>
  `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: offsets })}`;

test('the bytes of a file are those of the format: length, sorted header padded to 8, little-endian values', () => {
  const bytes = fileOf(
    [
      { name: 'b', shape: [2], data: Float32Array.of(1, -2) },
      { name: 'a', shape: [], data: Float32Array.of(0.5) },
    ],
    { format: 'pt', by: 'maestro' },
  );
  const header =
    '{"__metadata__":{"by":"maestro","format":"pt"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},' +
    '"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}       ';
  expect(header.length % 8).toBe(0);
  const values = [0, 0, 0, 0x3f, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0];
  expect(bytes.toString('hex')).toBe(Buffer.from(file(header, values)).toString('hex'));
});

const tensors: fc.Arbitrary<NamedTensor[]> = fc.uniqueArray(
  fc
    .record({
      name: fc
        .string({ unit: 'grapheme', maxLength: 12 })
        .filter((name) => name !== '__metadata__' && Buffer.from(name).toString() === name),
      shape: fc.array(fc.nat({ max: 4 }), { maxLength: 3 }),
      seed: fc.integer(),
    })
    .map(({ name, shape, seed }) => {
      const bits = Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, index) => Math.imul(seed + index, 0x9e3779b1));
      return { name, shape, data: new Float32Array(bits.buffer) }; // Any bits: NaN payloads, infinities and subnormals too.
    }),
  { selector: ({ name }) => name, maxLength: 8 },
);
const bits = (data: Float32Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

test('what is written is read back bit for bit, whatever the names, shapes and values', async () => {
  const metadata = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), { maxKeys: 3, noNullPrototype: true });
  let count = 0;
  await fc.assert(
    fc.asyncProperty(tensors, metadata, async (given, metadata) => {
      const path = join(folder, `${count++}.safetensors`);
      const written = await writeSafetensors(path, given, { metadata });
      const read = await readSafetensors(path);
      const byName = new Map(given.map((tensor) => [tensor.name, tensor]));
      expect(read.tensors.map(({ name, shape, data }) => [name, shape, bits(data)])).toEqual(
        read.tensors.map(({ name }) => [name, byName.get(name)!.shape, bits(byName.get(name)!.data)]),
      );
      expect(read.tensors.length).toBe(given.length);
      expect(read.metadata).toEqual(metadata);
      expect({ sizeBytes: read.sizeBytes, sha256: read.sha256 }).toEqual(written);
      expect(fileOf([...given].reverse(), metadata).equals(await readFile(path))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('names are in code-point order, also where UTF-16 order differs', () => {
  const scalar = (name: string) => ({ name, shape: [], data: new Float32Array(1) });
  const found = entriesOf(fileOf([scalar('\u{1f600}'), scalar('\uff5e'), scalar('a')]));
  expect(found.map(({ name }) => name)).toEqual(['a', '\uff5e', '\u{1f600}']);
});

test('tensors of any dtype are found, in the order of their values', () => {
  const bytes = file(
    `{${entry('second', 'BF16', [2], [1, 5])},${entry('first', 'BOOL', [1], [0, 1])},${entry('none', 'F64', [0, 3], [5, 5])}}   `,
    [1, 2, 3, 4, 5],
  );
  expect(entriesOf(bytes).map(({ name, dtype, begin, end }) => [name, dtype, [...bytes.subarray(begin, end)]])).toEqual([
    ['first', 'BOOL', [1]],
    ['second', 'BF16', [2, 3, 4, 5]],
    ['none', 'F64', []],
  ]);
});

const HOSTILE: [string, Uint8Array, string][] = [
  ['no bytes', new Uint8Array(0), 'the file has 0 bytes, a safetensors file has at least 8'],
  ['a header longer than the file', file('{}', [], 3n), 'the header claims 3 bytes, the file has 2 left'],
  [
    'a header longer than the format allows',
    file('{}', [], 100_000_001n),
    'the header claims 100000001 bytes, the format allows 100000000',
  ],
  ['a negative header length', file('{}', [], 2n ** 64n - 2n), 'the header claims 18446744073709551614 bytes'],
  ['a header that is not an object', file('[]'), 'does not start with {'],
  ['a byte-order mark', file('\ufeff{}'), 'does not start with {'],
  ['a header that is not UTF-8', new Uint8Array([3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0x7d]), 'not UTF-8'],
  ['a header that is cut off', file('{"a":'), 'not JSON'],
  [
    'a tensor that is there twice',
    file(`{${entry('a', 'U8', [1], [0, 1])},${entry('a', 'U8', [1], [0, 1])}}`, [0]),
    'has the key "a" twice',
  ],
  ['a key twice, once escaped', file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":1}`, [0]), 'has the key "a" twice'],
  [
    'an offset twice',
    file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}}', [0]),
    'the key "data_offsets" twice',
  ],
  ['a tensor that is not an object', file('{"a":null}'), 'tensor a has the unknown dtype undefined'],
  ['an unknown dtype', file(`{${entry('a', 'F128', [1], [0, 16])}}`), 'unknown dtype "F128"'],
  ['a dtype that is a property of every object', file(`{${entry('a', 'toString', [1], [0, 16])}}`), 'unknown dtype "toString"'],
  ['a negative extent', file(`{${entry('a', 'U8', [-1], [0, 1])}}`, [0]), 'shape [-1], expected non-negative integers'],
  ['a fractional extent', file(`{${entry('a', 'U8', [0.5], [0, 1])}}`, [0]), 'shape [0.5], expected non-negative integers'],
  ['a shape whose product overflows', file(`{${entry('a', 'F32', [2 ** 50, 2 ** 50], [0, 0])}}`), 'its offsets [0, 0] hold 0'],
  ['negative offsets', file(`{${entry('a', 'U8', [1], [-1, 0])}}`, [0]), 'offsets [-1,0], expected [begin, end]'],
  ['three offsets', file(`{${entry('a', 'U8', [1], [0, 1, 2])}}`, [0]), 'offsets [0,1,2], expected [begin, end]'],
  ['offsets in the wrong order', file(`{${entry('a', 'U8', [1], [1, 0])}}`, [0]), 'hold -1'],
  [
    'offsets that do not fit the shape',
    file(`{${entry('a', 'F32', [2], [0, 4])}}`, [0, 0, 0, 0]),
    'needs 8 bytes, its offsets [0, 4] hold 4',
  ],
  [
    'tensors that overlap',
    file(`{${entry('a', 'U8', [2], [0, 2])},${entry('b', 'U8', [2], [1, 3])}}`, [0, 0, 0]),
    'tensor b begins at data byte 1, expected 2: overlap',
  ],
  [
    'a gap between tensors',
    file(`{${entry('a', 'U8', [1], [0, 1])},${entry('b', 'U8', [1], [2, 3])}}`, [0, 0, 0]),
    'tensor b begins at data byte 2, expected 1: gap',
  ],
  ['data after the last tensor', file(`{${entry('a', 'U8', [1], [0, 1])}}`, [0, 0]), 'the tensors end at byte'],
  ['data that is cut off', file(`{${entry('a', 'U8', [2], [0, 2])}}`, [0]), 'the tensors end at byte'],
  ['metadata that is not text', file('{"__metadata__":{"a":1}}'), '__metadata__ must map strings to strings'],
];

test.each(HOSTILE)('%s is refused with what is wrong', async (what, bytes, message) => {
  const refusal = expect.objectContaining({ code: 'checkpoint-invalid', message: expect.stringContaining(message) });
  expect(() => entriesOf(bytes)).toThrow(refusal as never);
  const path = join(folder, `${what}.hostile`);
  await writeFile(path, bytes);
  await expect(readSafetensors(path)).rejects.toEqual(refusal);
});

test('reading a tensor of another dtype as float32 is refused by name', async () => {
  const path = join(folder, 'half.safetensors');
  await writeFile(path, file(`{${entry('half', 'F16', [1], [0, 2])}}`, [0, 0]));
  await expect(readSafetensors(path)).rejects.toThrow('tensor half is F16, expected F32');
});

test.each<[string, NamedTensor[], string]>([
  ['a name twice', [tensor('a'), tensor('a')], 'tensor a is given twice'],
  ['the name of the metadata', [tensor('__metadata__')], 'it must be valid Unicode and not __metadata__'],
  ['half a surrogate pair', [tensor('\ud83d')], 'it must be valid Unicode'],
  ['a shape that does not fit', [{ ...tensor('a'), shape: [2] }], 'shape [2] does not fit 1 values'],
  ['a negative shape', [{ ...tensor('a'), shape: [-1] }], 'expected non-negative integers'],
])('%s is refused before anything is written', (_, given, message) => {
  expect(() => fileOf(given)).toThrow(message);
});

function tensor(name: string): NamedTensor {
  return { name, shape: [1], data: new Float32Array(1) };
}
