import { XXH3_WASM } from './kernels.wasm.ts';
import { PAGE_BYTES, webAssembly } from './webAssembly.ts';

/** Exports of `xxh3.wat`, which documents its memory layout. */
interface Xxh3Kernels {
  begin(): void;
  takeBlocks(blocks: number): number;
  end(rest: number, length: number): void;
  whole(length: number): void;
}

/** XXH3's default secret, from its specification. */
const SECRET =
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c' +
  '3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364' +
  'eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e';
const RESULT = 192;
const INPUT = 384;
/** Longer inputs are hashed by stripes. */
const MOST_WHOLE = 240;
const BLOCK_BYTES = 1024;
const STRIPE_BYTES = 64;
/** Input bytes per pass: they stay in the processor's nearest caches between copy and hash. */
const PIECE_BYTES = 16 * BLOCK_BYTES;

/**
 * Opens a hasher with its own memory: 64-bit XXH3 with seed 0 (Collet, github.com/Cyan4973/xxHash, doc/xxhash_spec.md), as printed by
 * `xxhsum -H3`. Not cryptographic. Bytes may be anywhere, also in shared memory, at any address: they are copied piece by piece.
 *
 * @returns the upper and lower 32 bits, in an array that the next call overwrites.
 */
export function openXxh3(): (bytes: Uint8Array) => readonly [high: number, low: number] {
  const pages = Math.ceil((INPUT + PIECE_BYTES) / PAGE_BYTES);
  const memory = new webAssembly.Memory({ initial: pages, maximum: pages, shared: false });
  module ??= new webAssembly.Module(Buffer.from(XXH3_WASM, 'base64'));
  const { begin, takeBlocks, end, whole } = new webAssembly.Instance(module, { hash: { memory } }).exports as Xxh3Kernels;
  const held = new Uint8Array(memory.buffer);
  held.set(Buffer.from(SECRET, 'hex'));
  const result = new Uint32Array(memory.buffer, RESULT, 2);
  const words: [number, number] = [0, 0];
  return (bytes) => {
    const { length } = bytes;
    if (length <= MOST_WHOLE) {
      held.set(bytes, INPUT);
      whole(length);
    } else {
      begin();
      let at = 0;
      for (; length - at > PIECE_BYTES; at += PIECE_BYTES) {
        held.set(bytes.subarray(at, at + PIECE_BYTES), INPUT);
        takeBlocks(PIECE_BYTES / BLOCK_BYTES);
      }
      // The last stripe may begin in the previous piece.
      if (at === 0) held.set(bytes, INPUT);
      else held.set(bytes.subarray(at - STRIPE_BYTES), INPUT - STRIPE_BYTES);
      end(length - at, length);
    }
    words[0] = result[1]!;
    words[1] = result[0]!;
    return words;
  };
}

let module: object | undefined;
