import type { Kernels } from './kernels.ts';
import type { WasmMemory } from './webAssembly.ts';

/** The plain JavaScript twin of `openKernels`: the same bits, slower; the reference that the WebAssembly is tested against. */
export function openJavaScriptKernels({ buffer }: WasmMemory): Kernels {
  const floats = new Float32Array(buffer);
  const doubles = new Float64Array(buffer);
  const halves = new Uint16Array(buffer);
  const words = new Uint32Array(buffer);
  const checkEnd = (bytes: number) => {
    if (bytes > buffer.byteLength) throw new RangeError(`kernels: range ends at byte ${bytes} of a memory of ${buffer.byteLength}`);
  };

  return {
    add(dst, a, b, length) {
      checkEnd(Math.max(dst, a, b) + 4 * length);
      for (let i = 0; i < length; i++) floats[dst / 4 + i] = floats[a / 4 + i]! + floats[b / 4 + i]!;
    },

    sumSquares(src, length, lanes) {
      checkEnd(Math.max(src + 4 * length, lanes + 64));
      for (let i = 0; i < length; i++) {
        const x = floats[src / 4 + i]!;
        doubles[lanes / 8 + (i & 7)] = doubles[lanes / 8 + (i & 7)]! + x * x;
      }
    },

    checksum(src, length) {
      checkEnd(src + 4 * length);
      let sum = 0n;
      let weighted = 0n;
      for (let i = 0; i < length; i++) {
        sum += BigInt(words[src / 4 + i]!);
        weighted += sum;
      }
      return BigInt.asIntN(64, weighted);
    },

    packBfloat16(dst, src, length) {
      checkEnd(Math.max(dst + 2 * length, src + 4 * length));
      for (let i = 0; i < length; i++) {
        const bits = words[src / 4 + i]!;
        const isNotANumber = (bits & 0x7fffffff) > 0x7f800000;
        halves[dst / 2 + i] = isNotANumber ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
      }
    },

    unpackBfloat16(dst, src, length) {
      checkEnd(Math.max(dst + 4 * length, src + 2 * length));
      for (let i = 0; i < length; i++) words[dst / 4 + i] = halves[src / 2 + i]! << 16;
    },
  };
}
