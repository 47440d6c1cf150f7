import { planReduce } from '@maestro/collective';
import { maeConfig, parameterSpecs } from '@maestro/mae';
import type { PresetName } from '@maestro/protocol';
import { evenMembers } from './evenMembers.ts';
import { type LinkModel, type StageModel, stepSeconds } from './exchangeModel.ts';

const BLOCK = 65_536;
const PRESET: PresetName = 'mae_vit_base_patch16';
const WORKERS = [8, 64, 512];
/** A worker's compute time per step. */
const COMPUTE_SECONDS = 1;
const INNER_STEPS = 50;
/**
 * The stages in which its gradient is sent by up to eight workers: shares of `gradientStages` in the worker, and when each was complete in a
 * step of batch 4 on two cores, float32 with native operators.
 */
const STAGES: readonly StageModel[] = [
  { share: 3 / 8, ready: 0.75 },
  { share: 1 / 4, ready: 0.85 },
  { share: 1 / 4, ready: 0.96 },
  { share: 1 / 8, ready: 1 },
];
const MOST_STAGED = 8;
/** Maximum rate of one of our processes: `npm run bench -- allreduce`, 440 MB over two processes in 0.42 s. */
const PROCESS_BYTES_PER_SECOND = 1.05e9;
const NETWORKS: readonly { readonly title: string; readonly gigabits: number; readonly delayMs: number }[] = [
  { title: 'a rack, 100 Gbit/s, 0.05 ms', gigabits: 100, delayMs: 0.05 },
  { title: 'a rack, 10 Gbit/s, 0.05 ms', gigabits: 10, delayMs: 0.05 },
  { title: 'an office, 1 Gbit/s, 0.2 ms', gigabits: 1, delayMs: 0.2 },
  { title: 'two cities, 1 Gbit/s, 10 ms', gigabits: 1, delayMs: 10 },
  { title: 'two continents, 0.1 Gbit/s, 50 ms', gigabits: 0.1, delayMs: 50 },
];

/**
 * Prints the predictions of `exchangeModel.ts` for clusters that nobody has measured: seconds of a step with ViT-B/16 gradients, one
 * virtual rank for each worker, as the Markdown table of docs/scaling.md. Runs nothing.
 */
export async function benchScaling(): Promise<void> {
  const length = parametersOf(PRESET);
  const head = ['network', ...WORKERS.flatMap((workers) => [`${workers}: f32`, 'bf16', 'diloco'])];
  const rows = NETWORKS.map(({ title, gigabits, delayMs }) => {
    const link: LinkModel = { bytesPerSecond: Math.min(gigabits * 125e6, PROCESS_BYTES_PER_SECOND), delaySeconds: delayMs / 1000 };
    const cells = WORKERS.flatMap((workers) => {
      const members = evenMembers(workers, workers);
      const [f32, bf16] = (['f32', 'bf16'] as const).map((allGather) => planReduce({ members, length, blockSize: BLOCK, allGather }));
      const step = { computeSeconds: COMPUTE_SECONDS, ...(workers <= MOST_STAGED && { stages: STAGES }) };
      return [
        stepSeconds(f32!, link, step),
        stepSeconds(bf16!, link, step),
        stepSeconds(f32!, link, { computeSeconds: COMPUTE_SECONDS, innerSteps: INNER_STEPS }),
      ].map((seconds) => seconds.toFixed(seconds < 10 ? 2 : 0));
    });
    return [title, ...cells];
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  process.stdout.write(`${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`);
}

/** Returns the elements of a preset's flat gradient. */
function parametersOf(preset: PresetName): number {
  return parameterSpecs(maeConfig({ preset })).reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}
