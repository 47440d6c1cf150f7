import { openArena } from '../index.ts';
import { openJavaScriptKernels } from '../javaScriptKernels.ts';

/**
 * `node packages/kernels/dist/testing/benchKernels.js [floats]`: prints medians of seven runs for each kernel and its twin, with the bytes
 * read and written per second.
 */
const length = Number(process.argv[2] ?? 16_000_000);

for (const shared of [false, true]) {
  const arena = openArena({ ranges: { p: length, m: length, v: length }, shared });
  const [p, m, v] = ['p', 'm', 'v'].map((name) => arena.ranges[name as 'p'].byteOffset) as [number, number, number];
  for (const [name, kernels] of Object.entries({ wasm: arena.kernels, javascript: openJavaScriptKernels(arena.memory) })) {
    for (const range of Object.values(arena.ranges)) range.fill(0.5);
    const lines = {
      add: report(12, () => kernels.add(p, p, m, length)),
      sumSquares: report(4, () => kernels.sumSquares(p, length, arena.lanes.byteOffset)),
      packBfloat16: report(6, () => kernels.packBfloat16(m, p, length)),
      unpackBfloat16: report(6, () => kernels.unpackBfloat16(v, m, length)),
    };
    for (const [kernel, line] of Object.entries(lines)) {
      process.stdout.write(`${shared ? 'shared  ' : 'unshared'} ${name.padEnd(10)} ${kernel.padEnd(14)} ${line}\n`);
    }
  }
}

function report(bytesPerElement: number, run: () => void): string {
  const milliseconds = Array.from({ length: 8 }, () => {
    const started = performance.now();
    run();
    return performance.now() - started;
  })
    .slice(1)
    .sort((a, b) => a - b)[3]!;
  return `${milliseconds.toFixed(1).padStart(7)} ms ${((length * bytesPerElement) / milliseconds / 1e6).toFixed(1).padStart(5)} GB/s`;
}
