/** Loops over the messages of an exchange between members, each in one pass over memory. Bytes are whole 32-bit words in any memory. */
export interface ExchangeKernels {
  /** The checksum of packages/kernels, as an unsigned number. */
  checksum(bytes: Uint8Array): bigint;
  /** Copies all of `source`; returns its checksum. */
  copy(target: Uint8Array, source: Uint8Array): bigint;
  /** Writes the float32 of as many bfloat16 as `target` has room for; returns the checksum of `source`. */
  unpack(target: Uint8Array, source: Uint8Array): bigint;
  /** Prepares sums of terms, to be taken again and again. */
  prepareSum(options: SummationOptions): Summation;
}

/** Which additions make a sum; as an `AddProgram` of packages/collective. */
export interface SummationOptions {
  /** How many terms there are. */
  readonly terms: number;
  /** Term `into` becomes `left + right`, in order; the last one is written to the sum instead. */
  readonly additions: readonly { readonly into: number; readonly left: number; readonly right: number }[];
  /** The term that holds the sum where there are no additions. */
  readonly result: number;
  /** Elements of a block of squares. */
  readonly block: number;
}

/** A sum of terms of one length. */
export interface Summation {
  /** Points a term to memory, whose length is that of the next sums. It is kept until it is set anew. */
  setTerm(index: number, bytes: Uint8Array): void;
  /**
   * Sums the terms to `out`. Those that the program names as `into` are overwritten. `squares` gets the sum of squares of each block. With
   * `packed` the sum is rounded to bfloat16, which goes there. `late` names the term whose checksum is taken.
   */
  run(options: SumOptions): SumChecksums;
}

/** Options of {@link Summation.run}. */
export interface SumOptions {
  readonly out: Uint8Array;
  readonly squares: Float64Array;
  readonly packed?: Uint8Array | undefined;
  readonly late?: number | undefined;
}

/** Checksums that a sum has taken. */
export interface SumChecksums {
  /** Of `packed`, or without it of `out`. */
  readonly gathered: bigint;
  /** Of the late term; 0 without one. */
  readonly late: bigint;
}

type Koffi = Pick<typeof import('koffi'), 'address'>;
type Library = ReturnType<typeof import('koffi')['load']>;

/** Words of a `Summation` in c/kernels.h, in its order. */
const FIELDS = ['count', 'block', 'terms', 'program', 'additions', 'result', 'late', 'out', 'packed', 'squares', 'checksums'] as const;

/** Opens the loops of `c/exchange.c`. */
export function openExchangeKernels(koffi: Koffi, library: Library): ExchangeKernels {
  const checksum = library.func('void maestro_checksum(void *, int64_t, void *)');
  const copyChecked = library.func('void maestro_copy_checked(void *, void *, int64_t, void *)');
  const unpackChecked = library.func('void maestro_unpack_checked(void *, void *, int64_t, void *)');
  const sumTerms = library.func('void maestro_sum_terms(void *)');
  const bases = new WeakMap<ArrayBufferLike, bigint>();
  const state = new BigUint64Array(2);

  const addressOf = ({ buffer, byteOffset }: ArrayBufferView): bigint => {
    let base = bases.get(buffer);
    if (base === undefined) {
      base = BigInt(koffi.address(new Uint8Array(buffer)));
      bases.set(buffer, base);
    }
    return base + BigInt(byteOffset);
  };

  return {
    checksum(bytes) {
      state.fill(0n);
      checksum(bytes, wordsOf(bytes), state);
      return state[1]!;
    },
    copy(target, source) {
      if (target.length < source.length) throw new RangeError(`native: ${source.length} bytes do not fit in ${target.length}`);
      state.fill(0n);
      copyChecked(target, source, wordsOf(source), state);
      return state[1]!;
    },
    unpack(target, source) {
      const floats = target.length / 4;
      if (wordsOf(source) !== Math.ceil(floats / 2)) throw new RangeError(`native: ${source.length} bytes are not ${floats} bfloat16`);
      state.fill(0n);
      unpackChecked(target, source, floats, state);
      return state[1]!;
    },
    prepareSum({ terms, additions, result, block }) {
      const addresses = new BigUint64Array(terms);
      // Keeps the memory below the addresses.
      const held: { readonly terms: (Uint8Array | undefined)[]; readonly program: Int32Array } = {
        terms: new Array<undefined>(terms).fill(undefined),
        program: Int32Array.from(additions.flatMap(({ into, left, right }) => [into, left, right])),
      };
      const words = new BigInt64Array(FIELDS.length);
      const set = (field: (typeof FIELDS)[number], value: bigint): void => {
        words[FIELDS.indexOf(field)] = value;
      };
      const used = new Set([...held.program, ...(additions.length === 0 ? [result] : [])]);
      set('block', BigInt(block));
      set('terms', addressOf(addresses));
      // The address of an empty array is of no use to anybody, and never read.
      set('program', additions.length === 0 ? 0n : addressOf(held.program));
      set('additions', BigInt(additions.length));
      set('result', BigInt(result));
      set('checksums', addressOf(state));
      return {
        setTerm(index, bytes) {
          addresses[index] = addressOf(bytes);
          held.terms[index] = bytes;
        },
        run({ out, squares, packed, late = -1 }) {
          const count = wordsOf(out);
          for (const index of used) {
            const { length = 0 } = held.terms[index] ?? {};
            if (length < out.length) throw new RangeError(`native: term ${index} has ${length} bytes, the sum ${out.length}`);
          }
          const packedBytes = 4 * Math.ceil(count / 2);
          const isRoom = squares.length >= count / block && (packed === undefined || packed.length >= packedBytes);
          if (!isRoom) throw new RangeError(`native: no room for what a sum of ${count} floats leaves`);
          set('count', BigInt(count));
          set('late', BigInt(late));
          set('out', addressOf(out));
          set('packed', packed === undefined ? 0n : addressOf(packed));
          set('squares', addressOf(squares));
          sumTerms(words);
          return { gathered: state[0]!, late: state[1]! };
        },
      };
    },
  };
}

function wordsOf({ length }: Uint8Array): number {
  if (length % 4 !== 0) throw new RangeError(`native: ${length} bytes are not whole words`);
  return length / 4;
}
