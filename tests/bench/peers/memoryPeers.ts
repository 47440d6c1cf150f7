import type { LineProcess } from './lineProcess.ts';
import type { PartOptions } from './partOptions.ts';
import { type Ratio, ratioToBest } from './ratios.ts';
import { startOurs, startTorch } from './stepPeers.ts';

/** Ways in which PyTorch trains in float32: the leanest of them counts. */
const WAYS = ['f32-eager', 'f32-compile'];
/** Steps that each process takes: the second one has moments, and memory that the first one freed. */
const STEPS = 3;

/**
 * Compares the peak of resident memory of processes that train ViT-B, one after another, above what is there before the model: interpreter and
 * libraries alike on both sides, since a wheel of PyTorch with CUDA maps much that it does not use.
 */
export async function memoryPeers(batch: number, { log }: PartOptions): Promise<Ratio> {
  const key = `memory.vitB.b${batch}`;
  const peakOf = async (name: string, process: LineProcess, mode?: string): Promise<number> => {
    try {
      await process.ask({ do: 'steps', mode, count: STEPS });
      const { peakBytes, baselineBytes } = (await process.ask({ do: 'memory' })) as { peakBytes: number; baselineBytes: number };
      log(`${key}: ${name}: peak ${megabytes(peakBytes)}, of which ${megabytes(baselineBytes)} before the model`);
      return peakBytes - baselineBytes;
    } finally {
      await process.close();
    }
  };
  const ours = await peakOf('ours', await startOurs('vitB', batch, 1, 'fp32'));
  const peers: Record<string, number[]> = {};
  const failed: string[] = [];
  for (const way of WAYS) {
    try {
      peers[way] = [await peakOf(way, await startTorch('vitB', batch, 1), way)];
    } catch (error) {
      failed.push(`${way} failed: ${(error as Error).message}`);
    }
  }
  const ratio = ratioToBest({ ours: [ours], peers });
  return failed.length === 0 ? ratio : { ...ratio, note: failed.join('; ') };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
