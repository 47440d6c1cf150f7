import { MaestroError } from '@maestro/protocol';

/**
 * A flat float32 vector: one array, or several in sequence, for vectors larger than one memory. Segments may end anywhere; blocks and
 * chunks are counted over the whole vector.
 */
export type FloatVector = Float32Array | readonly Float32Array[];

/** A vector opened for byte copies: see {@link openVector}. */
export interface OpenVector {
  /** Number of elements. */
  readonly length: number;
  /** Copies elements `first .. first + count - 1` to `target`, starting at byte `at`. */
  readonly read: (first: number, count: number, target: Uint8Array, at: number) => void;
  /** Returns a view of the bytes of elements `first .. first + count - 1`; undefined when they span several segments. */
  readonly view: (first: number, count: number) => Uint8Array | undefined;
  /** Copies `count` elements from byte `at` of `source` to element `first` onwards. */
  readonly write: (first: number, count: number, source: Uint8Array, at: number) => void;
}

/**
 * Opens a vector as bytes. Copies from and to shared memory run word by word when both sides have the same alignment modulo 8 bytes;
 * otherwise byte by byte, three times slower. Callers keep their side aligned to 8.
 */
export function openVector(vector: FloatVector): OpenVector {
  const segments = vector instanceof Float32Array ? [vector] : vector;
  const bytes = segments.map((segment) => new Uint8Array(segment.buffer, segment.byteOffset, segment.byteLength));
  const ends: number[] = [];
  let length = 0;
  for (const segment of segments) {
    length += segment.length;
    ends.push(length);
  }

  /** Calls `copy` for each run of elements within one segment. */
  const walk = (first: number, count: number, at: number, copy: (segment: Uint8Array, from: number, size: number, at: number) => void) => {
    if (first < 0 || first + count > length) {
      throw new MaestroError('internal', `internal: elements ${first}..${first + count - 1} do not lie in a vector of ${length}`);
    }
    let index = 0;
    while (ends[index]! <= first) index++;
    let next = first;
    let offset = at;
    while (next < first + count) {
      const begin = index === 0 ? 0 : ends[index - 1]!;
      const run = Math.min(first + count, ends[index]!) - next;
      copy(bytes[index]!, (next - begin) * 4, run * 4, offset);
      next += run;
      offset += run * 4;
      index++;
    }
  };

  return {
    length,
    read: (first, count, target, at) => {
      walk(first, count, at, (segment, from, size, offset) => target.set(segment.subarray(from, from + size), offset));
    },
    view: (first, count) => {
      let view: Uint8Array | undefined;
      walk(first, count, 0, (segment, from, size) => {
        view = size === count * 4 ? segment.subarray(from, from + size) : undefined;
      });
      return view;
    },
    write: (first, count, source, at) => {
      walk(first, count, at, (segment, from, size, offset) => segment.set(source.subarray(offset, offset + size), from));
    },
  };
}
