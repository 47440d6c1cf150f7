import { fileURLToPath } from 'node:url';
import { PYTHON } from '../compute/python.ts';
import { type Answer, type LineProcess, peerScript, startLineProcess } from './lineProcess.ts';
import type { ModelName, Precision } from './ourTraining.ts';
import type { PartOptions } from './partOptions.ts';
import { contenders, medianOf, type Ratio, type Rounds, ratioToBest } from './ratios.ts';

/** Ways in which PyTorch trains. */
const WAYS = ['f32-eager', 'f32-compile', 'bf16-eager', 'bf16-compile'] as const;
type Way = (typeof WAYS)[number];
/** Batch, steps in a turn, and rounds of the models: a turn takes a second or more, so that starting it costs nothing. */
const CASES = {
  tiny: { batch: 64, count: 5, rounds: 15 },
  vitB: { batch: 4, count: 1, rounds: 9 },
} as const;
/** Rounds in which all ways take part; after them only those that can be the best. */
const ALL_WAYS_ROUNDS = 2;
/** How many times as long as another way's a step may take for the way to be measured: bfloat16 is emulated where a processor lacks it. */
const HOPELESS = 4;
/** The same for an eager way, for its compiled one not to be tried. */
const COMPILED_HOPELESS = 12;
/** Waits between turns, for threads that wait for work by spinning to go to sleep. */
const REST_MS = 200;
/** Relative difference of loss and norm of the first two steps up to which the work counts as equal. */
const SAME_WORK = { f32: 1e-4, bf16: 3e-2 } as const;
/**
 * Keeps memory that PyTorch frees instead of giving it back to the system and taking it again page by page, in each step: without it
 * PyTorch is slower.
 */
const KEEP_MEMORY = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '17179869184', MALLOC_TOP_PAD_: '67108864' };

/** Returns the key of a comparison of training steps. */
export function stepKey(precision: Precision, model: ModelName, threads: number): string {
  return `step.${precision}.${model}.${threads}t`;
}

/** Starts our side of the training step. */
export function startOurs(model: ModelName, batch: number, threads: number, precision: Precision): Promise<LineProcess> {
  const main = fileURLToPath(new URL('./ourStepMain.js', import.meta.url));
  return startLineProcess(process.execPath, [main, model, String(batch), String(threads), precision]);
}

type Environment = Readonly<Record<string, string>>;

/** Starts PyTorch's side of the training step. */
export function startTorch(model: ModelName, batch: number, threads: number, env: Environment = {}): Promise<LineProcess> {
  const count = String(threads);
  const script = peerScript('torch_step.py');
  return startLineProcess(PYTHON, [script, model, String(batch), count], { OMP_NUM_THREADS: count, MKL_NUM_THREADS: count, ...env });
}

/** Processes that train the same model on the same number of threads, checked for equal work. */
interface Sides {
  readonly torch: LineProcess;
  readonly ours: Readonly<Partial<Record<Precision, LineProcess>>>;
  /** PyTorch's ways worth measuring. */
  readonly ways: readonly Way[];
  /** Losses and norms of the first two steps, by side. */
  readonly checks: Readonly<Record<string, Answer>>;
  /** Ways that failed, and why. */
  readonly failed: readonly string[];
}

/** Compares the training step of a model on a number of threads, ours in each precision with PyTorch in each of its ways, in turn. */
export async function stepPeers(
  model: ModelName,
  threads: 1 | 2,
  precisions: readonly Precision[],
  options: PartOptions,
): Promise<Readonly<Record<string, Ratio>>> {
  const log = (line: string): void => options.log(`step.${model}.${threads}t: ${line}`);
  const results: Record<string, Ratio> = {};
  const opened: LineProcess[] = [];
  try {
    const ours: Partial<Record<Precision, LineProcess>> = {};
    for (const precision of precisions) {
      try {
        ours[precision] = await startOurs(model, CASES[model].batch, threads, precision);
        opened.push(ours[precision]);
      } catch (error) {
        results[stepKey(precision, model, threads)] = { ratio: null, pairs: 0, note: (error as Error).message };
      }
    }
    if (opened.length === 0) return results;
    const torch = await startTorch(model, CASES[model].batch, threads, KEEP_MEMORY);
    opened.push(torch);
    const sides = await checkSides(ours, torch, CASES[model].count, log);
    const differences = differencesOf(sides.checks);
    log(differences.told);
    const turns = await takeTurns(sides, CASES[model], options.most, log);
    for (const precision of Object.keys(ours) as Precision[]) {
      const isCounted = (way: string): boolean => precision === 'bf16' || way.startsWith('f32');
      const ratio = ratioToBest(roundsOf(turns, precision), isCounted);
      const notes = [...differences.notes, ...sides.failed.filter(isCounted)];
      results[stepKey(precision, model, threads)] = notes.length === 0 ? ratio : { ...ratio, note: notes.join('; ') };
    }
    return results;
  } finally {
    for (const process of opened) await process.close();
  }
}

/** Takes the first steps of each side, in which PyTorch compiles, and leaves out ways that fail or are much slower than others. */
async function checkSides(ours: Sides['ours'], torch: LineProcess, count: number, log: (line: string) => void): Promise<Sides> {
  const checks: Record<string, Answer> = {};
  for (const [precision, process] of Object.entries(ours)) checks[`our ${precision}`] = await process.ask({ do: 'check' });
  const ways: Way[] = [];
  const failed: string[] = [];
  let fastest = Number.POSITIVE_INFINITY;
  let isHopeless = false;
  for (const way of WAYS) {
    // Only our bfloat16 is compared with PyTorch's. Compilation makes up for no emulation: it would take minutes to see.
    if (way.startsWith('bf16') && (ours.bf16 === undefined || isHopeless)) continue;
    try {
      const check = await torch.ask({ do: 'check', mode: way });
      checks[way] = check;
      const [, second] = check['seconds'] as [number, number];
      fastest = Math.min(fastest, second);
      if (second > HOPELESS * fastest) {
        isHopeless = second > COMPILED_HOPELESS * fastest;
        log(`${way} is left out: its step takes ${(second / fastest).toFixed(1)} times as long as another way's`);
        continue;
      }
      await torch.ask({ do: 'steps', mode: way, count });
      ways.push(way);
    } catch (error) {
      failed.push(`${way} failed: ${(error as Error).message}`);
    }
  }
  for (const line of failed) log(line);
  return { torch, ours, ways, checks, failed };
}

/** Lets all sides take turns of `count` steps; gives seconds of a step by side, round by round, NaN where a way was left out. */
async function takeTurns(
  { torch, ours, ways }: Sides,
  { count, rounds }: { readonly count: number; readonly rounds: number },
  most: number,
  log: (line: string) => void,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const own = Object.keys(ours) as Precision[];
  const turns: Record<string, number[]> = Object.fromEntries([...own, ...ways].map((name) => [name, []]));
  const cpu: Record<string, number[]> = Object.fromEntries([...own, ...ways].map((name) => [name, []]));
  let left = new Set<string>(ways);
  for (let round = 0; round < ALL_WAYS_ROUNDS + Math.min(rounds, most); round++) {
    if (round === ALL_WAYS_ROUNDS) left = contendersOf(roundsOf(turns, own[0]!));
    // Who comes first changes, so that a machine that becomes slower or faster favours nobody.
    for (const name of round % 2 === 0 ? [...own, ...ways] : [...own, ...ways].reverse()) {
      const process = ours[name as Precision] ?? torch;
      if (process === torch && !left.has(name)) {
        turns[name]!.push(Number.NaN);
        continue;
      }
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      const { seconds, cpuSeconds } = await process.ask({ do: 'steps', mode: name, count });
      turns[name]!.push(seconds as number);
      cpu[name]!.push(cpuSeconds as number);
    }
  }
  for (const [name, each] of Object.entries(turns)) log(`${name}: ${describeTurns(each.filter(Number.isFinite), cpu[name]!)}`);
  return turns;
}

/** Returns the rounds of one of our precisions with all of PyTorch's ways. */
function roundsOf(turns: Readonly<Record<string, readonly number[]>>, precision: Precision): Rounds {
  return {
    ours: turns[precision]!,
    peers: Object.fromEntries(WAYS.flatMap((way) => (turns[way] === undefined ? [] : [[way, turns[way]]]))),
  };
}

/** Returns the ways worth more rounds: of those in float32, and of all, since some keys compare with the best of either. */
function contendersOf(rounds: Rounds): Set<string> {
  const f32 = Object.fromEntries(Object.entries(rounds.peers).filter(([way]) => way.startsWith('f32')));
  return new Set([...contenders(rounds), ...contenders({ ours: rounds.ours, peers: f32 })]);
}

/** Compares losses and norms of the first two steps with ours in float32, or with PyTorch's, to show that the work is equal. */
function differencesOf(checks: Readonly<Record<string, Answer>>): { readonly told: string; readonly notes: readonly string[] } {
  const reference = checks['our fp32'] ?? checks['f32-eager'] ?? Object.values(checks)[0]!;
  const numbers = (answer: Answer): number[] => [...(answer['losses'] as number[]), ...(answer['norms'] as number[])];
  const wanted = numbers(reference);
  const each = Object.entries(checks).map(([name, answer]) => {
    const difference = Math.max(...numbers(answer).map((value, i) => Math.abs(value / wanted[i]! - 1)));
    return { name, difference, most: SAME_WORK[name.includes('bf16') ? 'bf16' : 'f32'] };
  });
  return {
    told: `largest difference of loss and norm in two steps: ${each.map(({ name, difference }) => `${name} ${difference.toExponential(1)}`).join(', ')}`,
    notes: each
      .filter(({ difference, most }) => !(difference <= most))
      .map(({ name, difference }) => `${name}: loss or norm differs by ${difference.toExponential(1)}: NOT EQUAL WORK`),
  };
}

function describeTurns(seconds: readonly number[], cpu: readonly number[]): string {
  const milliseconds = (values: readonly number[]): string => (1000 * medianOf(values)).toFixed(1);
  return `${milliseconds(seconds)} ms a step, processor ${milliseconds(cpu)} ms, ${seconds.length} turns`;
}
