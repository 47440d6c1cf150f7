import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { askAll, endMembers, evenView, startMembers } from '../../support/members/allReduceProcesses.ts';

const GLOO = fileURLToPath(new URL('../../../bench/exchange/gloo_all_reduce.py', import.meta.url));

/** One line of the all-reduce bench: medians for one size on one number of processes. */
export interface AllReduceRow {
  readonly bytes: number;
  readonly processes: number;
  readonly seconds: number;
  /** Processor time per process and step, over all of its threads: independent of other users of the machine. */
  readonly cpuSeconds: number;
  /** 99th percentile of the event loop's delay during the reduction, worst process. */
  readonly delayP99Ms: number;
  /** The same all-reduce with torch.distributed's gloo; undefined without Python and torch. */
  readonly glooSeconds: number | undefined;
  readonly glooCpuSeconds: number | undefined;
  /** Our seconds over gloo's. */
  readonly ratio: number | undefined;
  /** The same without message checksums. */
  readonly uncheckedSeconds: number;
  readonly uncheckedCpuSeconds: number;
}

/** Options of {@link benchAllReduce}. */
export interface AllReduceBenchOptions {
  readonly sizesBytes?: readonly number[];
  readonly processCounts?: readonly number[];
  /** Pairs of runs, ours and gloo's in turn, so that both see the same machine. */
  readonly pairs?: number;
  /** Timed steps per run. */
  readonly rounds?: number;
  /** Bytes reduced before measuring, so that JavaScript's compiler has optimised the code, as after a minute of training. */
  readonly warmupBytes?: number;
  /** A Python with torch. Default: `$PYTHON`, or `python3`. */
  readonly python?: string;
}

/**
 * Times all-reduce between processes on this machine, over TCP on the loopback, with as many virtual ranks as processes: one partial each,
 * the bytes of a plain reduce-scatter and all-gather, like gloo. float32.
 */
export async function benchAllReduce({
  sizesBytes = [4e6, 40e6, 440e6],
  processCounts = [2, 3],
  pairs = 2,
  rounds = 5,
  warmupBytes = 800e6,
  python = process.env.PYTHON ?? 'python3',
}: AllReduceBenchOptions = {}): Promise<AllReduceRow[]> {
  const rows: AllReduceRow[] = [];
  for (const processes of processCounts) {
    for (const bytes of sizesBytes) {
      const run: RunOptions = { processes, bytes, rounds, warmup: Math.max(2, Math.min(60, Math.ceil(warmupBytes / bytes))) };
      const ours: Run[] = [];
      const unchecked: Run[] = [];
      const gloo: Run[] = [];
      for (let pair = 0; pair < pairs; pair++) {
        ours.push(await runOurs(run));
        unchecked.push(await runOurs({ ...run, checksums: false }));
        gloo.push(...(await runGloo(python, run)));
      }
      const seconds = median(ours.flatMap((one) => one.seconds));
      const hasGloo = gloo.length > 0;
      const glooSeconds = hasGloo ? median(gloo.flatMap((one) => one.seconds)) : undefined;
      rows.push({
        bytes,
        processes,
        seconds,
        cpuSeconds: median(ours.map((one) => one.cpuSeconds)),
        delayP99Ms: median(ours.map((one) => one.delayP99Ms)),
        glooSeconds,
        glooCpuSeconds: hasGloo ? median(gloo.map((one) => one.cpuSeconds)) : undefined,
        uncheckedSeconds: median(unchecked.flatMap((one) => one.seconds)),
        uncheckedCpuSeconds: median(unchecked.map((one) => one.cpuSeconds)),
        ratio: glooSeconds === undefined ? undefined : seconds / glooSeconds,
      });
    }
  }
  return rows;
}

interface RunOptions {
  readonly processes: number;
  readonly bytes: number;
  readonly warmup: number;
  readonly rounds: number;
  readonly checksums?: boolean;
}

interface Run {
  readonly seconds: readonly number[];
  /** Per round. */
  readonly cpuSeconds: number;
  readonly delayP99Ms: number;
}

async function runOurs({ processes, bytes, warmup, rounds, checksums = true }: RunOptions): Promise<Run> {
  const members = await startMembers(processes, { checksums });
  try {
    await askAll(members, { do: 'join', view: evenView(members, { generation: 1, virtualRanks: processes, length: bytes / 4 }) });
    await askAll(members, { do: 'steps', first: 0, count: warmup, hash: false });
    const answers = await askAll(members, { do: 'steps', first: warmup, count: rounds, hash: false });
    const runs = answers.map((answer) => {
      if (answer.is !== 'stepped') throw new Error(JSON.stringify(answer));
      return answer;
    });
    return {
      seconds: runs[0]!.seconds,
      cpuSeconds: median(runs.map((run) => run.cpuSeconds)) / rounds,
      delayP99Ms: Math.max(...runs.map((run) => run.delayP99Ms)),
    };
  } finally {
    endMembers(members);
  }
}

/** Runs gloo once; returns nothing when there is no such Python or it has no torch. */
async function runGloo(python: string, { processes, bytes, warmup, rounds }: RunOptions): Promise<Run[]> {
  try {
    const { stdout } = await promisify(execFile)(python, [GLOO, processes, warmup, rounds, bytes].map(String));
    const { seconds, cpuSeconds } = JSON.parse(stdout) as Omit<Run, 'delayP99Ms'>;
    return [{ seconds, cpuSeconds, delayP99Ms: 0 }];
  } catch {
    return [];
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
