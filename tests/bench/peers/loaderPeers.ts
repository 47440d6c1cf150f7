import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PYTHON } from '../compute/python.ts';
import { peerScript, startLineProcess } from './lineProcess.ts';
import { writeNaturalImages } from './naturalImages.ts';
import type { PartOptions } from './partOptions.ts';
import { medianOf, type Ratio, ratioToBest } from './ratios.ts';

/** Sizes of images; the first one is that of the key. A turn reads `epochs` epochs of `count` images. */
const CASES = [
  { width: 500, height: 375, count: 64, batch: 32, epochs: 2, turns: 9 },
  { width: 256, height: 256, count: 64, batch: 32, epochs: 3, turns: 5 },
  { width: 4000, height: 3000, count: 4, batch: 4, epochs: 1, turns: 5 },
] as const;
const WAYS = ['io-v2', 'pillow'] as const;
/** The way that the key compares with. */
const BEST_WAY = 'io-v2';

/**
 * Compares the loader, from JPEG files to a normalised batch, with torchvision's, in turn, each process on one processor: processor time an
 * image. Gives the ratio for photographs of 500 x 375, and prints those of other sizes and of Pillow.
 */
export async function loaderPeers({ most, log }: PartOptions): Promise<Ratio> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-bench-loader-'));
  const pin = pinned();
  try {
    let key: Ratio | undefined;
    for (const { width, height, count, batch, epochs, turns } of CASES) {
      const path = join(dir, `${width}x${height}`);
      const { bytesPerPixel } = await writeNaturalImages(path, { count, width, height });
      const start = ([command, ...args]: readonly string[]) =>
        startLineProcess(command!, [...args, path, String(batch)], { OMP_NUM_THREADS: '1' });
      const ours = await start([...pin, process.execPath, fileURLToPath(new URL('./ourLoaderMain.js', import.meta.url))]);
      const torch = await start([...pin, PYTHON, peerScript('torch_loader.py')]);
      try {
        const sides = [
          { name: 'ours', read: () => ours.ask({ epochs }) },
          ...WAYS.map((way) => ({ name: way, read: () => torch.ask({ epochs, way }) })),
        ];
        const seconds: Record<string, number[]> = Object.fromEntries(sides.map(({ name }) => [name, []]));
        const cpu: Record<string, number[]> = Object.fromEntries(sides.map(({ name }) => [name, []]));
        for (let turn = -1; turn < Math.min(turns, most); turn++) {
          for (const { name, read } of turn % 2 === 0 ? sides : sides.toReversed()) {
            const answer = await read();
            // The first turn starts threads and compiles.
            if (turn < 0) continue;
            seconds[name]!.push(answer['seconds'] as number);
            cpu[name]!.push(answer['cpuSeconds'] as number);
          }
        }
        // Processor time: on one processor it is the time, and a process of many threads gets no larger share of a busy machine.
        const rounds = { ours: cpu['ours']!, peers: { 'io-v2': cpu['io-v2']!, pillow: cpu['pillow']! } };
        const ratio = ratioToBest(rounds, (way) => way === BEST_WAY);
        const told = sides.map(({ name }) => `${name} ${milliseconds(seconds[name]!)} (processor ${milliseconds(cpu[name]!)})`).join(', ');
        const pillow = ratioToBest(rounds, (way) => way === 'pillow').ratio!;
        log(
          `loader: ${width} x ${height}, ${bytesPerPixel.toFixed(2)} bytes a pixel: ${told} ms an image; ours over io-v2 ` +
            `${ratio.ratio!.toFixed(2)}, over Pillow ${pillow.toFixed(2)}`,
        );
        key ??= pin.length > 0 ? ratio : { ...ratio, note: 'no taskset: processes were not held to one processor' };
      } finally {
        await ours.close();
        await torch.close();
      }
    }
    return key!;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Returns the command that holds a process to one processor, so that none uses more threads than another; nothing where it is missing. */
function pinned(): readonly string[] {
  const command = ['taskset', '--cpu-list', '0'];
  return spawnSync(command[0]!, [...command.slice(1), 'true']).status === 0 ? command : [];
}

function milliseconds(seconds: readonly number[]): string {
  return (1000 * medianOf(seconds)).toFixed(2);
}
