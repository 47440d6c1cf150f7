import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { hasTorch, PYTHON } from '../compute/python.ts';
import { allReducePeers, MEGABYTES } from './allReducePeers.ts';
import { exposedCommunication } from './exposedCommunication.ts';
import { chosenKeys } from './goals.ts';
import { loaderPeers } from './loaderPeers.ts';
import { memoryPeers } from './memoryPeers.ts';
import { MODELS, type ModelName, PRECISIONS, type Precision } from './ourTraining.ts';
import type { PartOptions } from './partOptions.ts';
import { peersJson, peersTable } from './peersTable.ts';
import type { Ratio } from './ratios.ts';
import { stepKey, stepPeers } from './stepPeers.ts';

/** Options of {@link benchPeers}, as the command line has them. */
export interface PeersOptions {
  /** Keys, or beginnings of keys, with commas between. Default: all. */
  readonly only?: string;
  /** True to end with one line of JSON. */
  readonly json?: boolean;
  /** Most pairs of a key, to try it out; the figures are then worth little. */
  readonly pairs?: string;
}

/** Keys that are measured together, and how. */
interface Part {
  readonly keys: readonly string[];
  measure(wanted: readonly string[], options: PartOptions): Promise<Readonly<Record<string, Ratio>>>;
}

const log = (line: string): void => void process.stderr.write(`${line}\n`);

const partOf = (key: string, measure: (options: PartOptions) => Promise<Ratio>): Part => ({
  keys: [key],
  measure: async (_, options) => ({ [key]: await measure(options) }),
});

/** All that is measured, one part after another; in each, the sides take turns. */
const PARTS: readonly Part[] = [
  ...(Object.keys(MODELS) as ModelName[]).flatMap((model) =>
    ([1, 2] as const).map((threads): Part => {
      const keyed = (Object.keys(PRECISIONS) as Precision[]).map((precision) => ({ precision, key: stepKey(precision, model, threads) }));
      return {
        keys: keyed.map(({ key }) => key),
        measure(wanted, options) {
          const precisions = keyed.filter(({ key }) => wanted.includes(key)).map(({ precision }) => precision);
          return stepPeers(model, threads, precisions, options);
        },
      };
    }),
  ),
  ...[2, 3].flatMap((processes) =>
    MEGABYTES.map((megabytes) =>
      partOf(`allreduce.${processes}.${megabytes}MB`, (options) => allReducePeers(processes, megabytes, options)),
    ),
  ),
  partOf('loader.jpeg', loaderPeers),
  ...[4, 16].map((batch) => partOf(`memory.vitB.b${batch}`, (options) => memoryPeers(batch, options))),
  partOf('exposedCommunication.vitB.2w', exposedCommunication),
];

/**
 * Compares us with the best of each peer: PyTorch, gloo, torchvision. Prints what was measured on standard error as it comes, then a table
 * with the goals, and with `json` a last line of JSON. A part that fails is told in the table, and the process then ends with code 1.
 * docs/performance.md defines each key.
 */
export async function benchPeers({ only, json = false, pairs }: PeersOptions = {}): Promise<void> {
  const keys = chosenKeys(only);
  const most = pairs === undefined ? Number.POSITIVE_INFINITY : Number(pairs);
  if (!(most >= 1)) throw new RangeError(`--pairs: expected a number of at least 1, found ${pairs}`);
  if (!hasTorch()) throw new Error('peers: no torch in this Python; set PYTHON to one that has torch and torchvision');
  process.stdout.write(`${machine()}\n\n`);
  const ratios: Record<string, Ratio> = {};
  const startMs = performance.now();
  for (const { keys: own, measure } of PARTS) {
    const wanted = own.filter((key) => keys.includes(key));
    if (wanted.length === 0) continue;
    try {
      Object.assign(ratios, await measure(wanted, { most, log }));
    } catch (error) {
      process.exitCode = 1;
      for (const key of wanted) ratios[key] = { ratio: null, pairs: 0, note: `failed: ${(error as Error).message}` };
    }
    for (const key of wanted) log(`${key}: ratio ${ratios[key]!.ratio?.toFixed(3) ?? ratios[key]!.note}`);
  }
  const inOrder = Object.fromEntries(keys.map((key) => [key, ratios[key]!]));
  process.stdout.write(`${peersTable(inOrder)}\n\nmeasured in ${((performance.now() - startMs) / 60_000).toFixed(0)} minutes\n`);
  if (json) process.stdout.write(`${peersJson(inOrder)}\n`);
}

/** Tells the machine and the versions. */
function machine(): string {
  const script = [
    'import platform, torch',
    'names = [f"Python {platform.python_version()}", f"torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()})"]',
    'try:\n import torchvision; names.append(f"torchvision {torchvision.__version__}")\nexcept ImportError: names.append("no torchvision")',
    'try:\n import PIL; names.append(f"Pillow {PIL.__version__}")\nexcept ImportError: names.append("no Pillow")',
    'print(", ".join(names))',
  ].join('\n');
  const peers = execFileSync(PYTHON, ['-c', script], { encoding: 'utf8' }).trim();
  const processors = cpus();
  const memory = `${(totalmem() / 1e9).toFixed(0)} GB`;
  return `${processors[0]?.model.trim()}, ${processors.length} cores, ${memory}, ${process.platform}; Node ${process.versions.node}; ${peers}`;
}
