import { errorMessage, MaestroError } from '@maestro/protocol';
import { elementCount } from '@maestro/tensors';
import { compareNames, type NamedTensor } from './tensor.ts';

/** Bytes per element of every dtype of the format (github.com/huggingface/safetensors, README "Format"). */
const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

/** A dtype of the safetensors format. */
export type Dtype = keyof typeof DTYPE_BYTES;

/** Location of one tensor in a safetensors file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Offset of the first byte and of the byte after the last, from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

/** Content of the head of a safetensors file. */
export interface SafetensorsHeader {
  /** In file order, without gaps. */
  readonly entries: readonly TensorEntry[];
  /** The file's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Offset of the data: 8 + the header's length. */
  readonly dataStart: number;
}

/** Bytes of the header's length, a little-endian u64 in front of the header. */
export const LENGTH_BYTES = 8;

/** The format's own limit on a header; protects against files that would allocate all memory. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Encodes the head of a file that holds `tensors` as F32, in the given order, which must be name order: length, `__metadata__`, entries,
 * padded with spaces so that the data begins at a multiple of 8 bytes. Metadata is written in key order, so equal input gives equal bytes.
 */
export function encodeHeader(
  tensors: readonly Pick<NamedTensor, 'name' | 'shape'>[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const parts: string[] = [];
  const keys = Object.keys(metadata).sort(compareNames);
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    parts.push(`"__metadata__":{${pairs.join(',')}}`);
  }
  let offset = 0;
  for (const { name, shape } of tensors) {
    const end = offset + elementCount(shape) * DTYPE_BYTES.F32;
    parts.push(`${JSON.stringify(name)}:{"dtype":"F32","shape":[${shape.join(',')}],"data_offsets":[${offset},${end}]}`);
    offset = end;
  }
  const json = Buffer.from(`{${parts.join(',')}}`);
  const paddedLength = Math.ceil(json.length / 8) * 8;
  const head = Buffer.alloc(LENGTH_BYTES + paddedLength, ' ');
  head.writeBigUInt64LE(BigInt(paddedLength));
  json.copy(head, LENGTH_BYTES);
  return head;
}

/**
 * Parses the header's length from the first 8 bytes of a file of `fileBytes`.
 *
 * @throws MaestroError `checkpoint-invalid` when a header of that length is impossible
 */
export function parseHeaderLength(first: Uint8Array, fileBytes: number): number {
  if (first.length < LENGTH_BYTES || fileBytes < LENGTH_BYTES) fail(`the file has ${fileBytes} bytes, a safetensors file has at least 8`);
  const length = Buffer.from(first.buffer, first.byteOffset, LENGTH_BYTES).readBigUInt64LE();
  if (length > MAX_HEADER_BYTES) fail(`the header claims ${length} bytes, the format allows ${MAX_HEADER_BYTES}`);
  if (length > fileBytes - LENGTH_BYTES) fail(`the header claims ${length} bytes, the file has ${fileBytes - LENGTH_BYTES} left`);
  return Number(length);
}

/**
 * Parses an untrusted header (the bytes after the length) of a file of `fileBytes`: requires JSON without duplicate keys, known dtypes,
 * shapes of non-negative integers, and offsets that fit the shapes and cover the data without gap or overlap.
 *
 * @throws MaestroError `checkpoint-invalid` that says what is wrong
 */
export function parseHeader(header: Uint8Array, fileBytes: number): SafetensorsHeader {
  const text = decodeText(header);
  if (!text.startsWith('{')) fail('the header does not start with {');
  const fields = parseObject(text);
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined) fail(`the header has the key ${JSON.stringify(duplicate)} twice`);

  const dataStart = LENGTH_BYTES + header.length;
  const metadata = parseMetadata(fields.get('__metadata__'));
  fields.delete('__metadata__');
  const entries = [...fields].map(([name, value]) => parseEntry(name, value, dataStart));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = dataStart;
  for (const { name, begin, end } of entries) {
    if (begin !== at)
      fail(`tensor ${name} begins at data byte ${begin - dataStart}, expected ${at - dataStart}: ${begin < at ? 'overlap' : 'gap'}`);
    at = end;
  }
  if (at !== fileBytes) fail(`the tensors end at byte ${at}, the file has ${fileBytes}`);
  return { entries, metadata, dataStart };
}

function parseEntry(name: string, value: unknown, dataStart: number): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype))
    fail(`tensor ${name} has the unknown dtype ${JSON.stringify(dtype)}`);
  if (!isSizes(shape)) fail(`tensor ${name} has the shape ${JSON.stringify(shape)}, expected non-negative integers`);
  if (!isSizes(offsets) || offsets.length !== 2) fail(`tensor ${name} has the offsets ${JSON.stringify(offsets)}, expected [begin, end]`);
  const [begin, end] = offsets as [number, number];
  const sizeBytes = elementCount(shape) * DTYPE_BYTES[dtype as Dtype];
  // A product past 2^53 is no longer exact, and larger than any file.
  if (!Number.isSafeInteger(sizeBytes) || end - begin !== sizeBytes) {
    fail(`tensor ${name} of ${dtype} [${shape.join(', ')}] needs ${sizeBytes} bytes, its offsets [${begin}, ${end}] hold ${end - begin}`);
  }
  return { name, dtype: dtype as Dtype, shape, begin: dataStart + begin, end: dataStart + end };
}

function parseMetadata(value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject || !Object.values(value).every((text) => typeof text === 'string')) fail('__metadata__ must map strings to strings');
  return value as Record<string, string>;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new MaestroError('checkpoint-invalid', 'the header is not UTF-8', { cause });
  }
}

function parseObject(text: string): Map<string, unknown> {
  try {
    return new Map(Object.entries(JSON.parse(text) as Record<string, unknown>));
  } catch (cause) {
    throw new MaestroError('checkpoint-invalid', `the header is not JSON: ${errorMessage(cause)}`, { cause });
  }
}

/** Returns the first key that occurs twice in one object of valid JSON. JSON.parse silently keeps the last, other readers the first. */
function duplicateKey(json: string): string | undefined {
  const keysOfOpenObjects: Set<string>[] = [];
  for (const [token, key] of json.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') keysOfOpenObjects.push(new Set());
    else if (token === '}') keysOfOpenObjects.pop();
    else if (key !== undefined) {
      const name = JSON.parse(key) as string;
      const keys = keysOfOpenObjects.at(-1)!;
      if (keys.has(name)) return name;
      keys.add(name);
    }
  }
  return undefined;
}

function fail(message: string): never {
  throw new MaestroError('checkpoint-invalid', message);
}
