import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { askAll, endMembers, evenView, startMembers } from '../support/allReduceProcesses.ts';

const GLOO = fileURLToPath(new URL('../../bench/gloo_all_reduce.py', import.meta.url));

/** One line of the all-reduce bench: medians of one size on one number of processes. */
export interface AllReduceRow {
  readonly bytes: number;
  readonly processes: number;
  readonly seconds: number;
  /** Processor time a process and step, all of its threads. */
  readonly cpuSeconds: number;
  /** 99th percentile of the event loop's delay while it reduces, worst process. */
  readonly delayP99Ms: number;
  /** The same all-reduce with torch.distributed's gloo; undefined without Python and torch. */
  readonly glooSeconds: number | undefined;
  readonly ratio: number | undefined;
}

/** What to measure. */
export interface AllReduceBenchOptions {
  readonly sizesBytes?: readonly number[];
  readonly processCounts?: readonly number[];
  /** Pairs of runs, ours and gloo's in turn, so that both see the same machine. */
  readonly pairs?: number;
  /** Steps timed a run, after two that warm up. */
  readonly rounds?: number;
  /** A Python with torch. Default: `$PYTHON`, else `python3`. */
  readonly python?: string;
}

/**
 * Times all-reduce between processes on this machine, over TCP on the loopback, with as many virtual ranks as processes: one
 * partial each, the bytes of a plain reduce-scatter and all-gather, as gloo moves them. float32.
 */
export async function benchAllReduce({
  sizesBytes = [4e6, 40e6, 440e6],
  processCounts = [2, 3],
  pairs = 2,
  rounds = 5,
  python = process.env.PYTHON ?? 'python3',
}: AllReduceBenchOptions = {}): Promise<AllReduceRow[]> {
  const rows: AllReduceRow[] = [];
  for (const processes of processCounts) {
    for (const bytes of sizesBytes) {
      const ours: Run[] = [];
      const gloo: number[] = [];
      for (let pair = 0; pair < pairs; pair++) {
        ours.push(await runOurs(processes, bytes, rounds));
        gloo.push(...(await runGloo(python, processes, bytes, rounds)));
      }
      const seconds = median(ours.flatMap((run) => run.seconds));
      const glooSeconds = gloo.length === 0 ? undefined : median(gloo);
      rows.push({
        bytes,
        processes,
        seconds,
        cpuSeconds: median(ours.map((run) => run.cpuSeconds)),
        delayP99Ms: median(ours.map((run) => run.delayP99Ms)),
        glooSeconds,
        ratio: glooSeconds === undefined ? undefined : seconds / glooSeconds,
      });
    }
  }
  return rows;
}

interface Run {
  readonly seconds: readonly number[];
  readonly cpuSeconds: number;
  readonly delayP99Ms: number;
}

async function runOurs(processes: number, bytes: number, rounds: number): Promise<Run> {
  const members = await startMembers(processes);
  try {
    await askAll(members, { do: 'join', view: evenView(members, { generation: 1, virtualRanks: processes, length: bytes / 4 }) });
    await askAll(members, { do: 'steps', first: 0, count: 2, hash: false });
    const answers = await askAll(members, { do: 'steps', first: 2, count: rounds, hash: false });
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

/** Seconds of each round; none when there is no such Python or it has no torch. */
async function runGloo(python: string, processes: number, bytes: number, rounds: number): Promise<number[]> {
  try {
    const { stdout } = await promisify(execFile)(python, [GLOO, String(processes), String(rounds), String(bytes)]);
    const report = JSON.parse(stdout) as { readonly seconds: Readonly<Record<string, number[]>> };
    return report.seconds[String(bytes)] ?? [];
  } catch {
    return [];
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
