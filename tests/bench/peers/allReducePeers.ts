import { askAll, endMembers, evenView, type MemberProcess, startMembers } from '../../support/members/allReduceProcesses.ts';
import { PYTHON } from '../compute/python.ts';
import { type LineProcess, peerScript, startLineProcess } from './lineProcess.ts';
import type { PartOptions } from './partOptions.ts';
import { medianOf, type Ratio, ratioToBest } from './ratios.ts';

/** Sizes in megabytes, with the all-reduces in a turn and the turns of each side. */
const SIZES = { 4: { rounds: 30, turns: 11 }, 40: { rounds: 8, turns: 9 }, 440: { rounds: 2, turns: 7 } } as const;
export type Megabytes = keyof typeof SIZES;
export const MEGABYTES = [4, 40, 440] as const satisfies readonly Megabytes[];
/** Bytes reduced before measuring, by both sides: our code is compiled as it is after a minute of training. */
const WARM_UP_BYTES = 800e6;
const MOST_WARM_UP_ROUNDS = 60;

/**
 * Compares all-reduce between processes of this machine over TCP with gloo's, in turn: float32, one partial sum a process, filled with
 * numbers. A turn's time is the median of its rounds, as the first process sees them.
 */
export async function allReducePeers(processes: number, megabytes: Megabytes, { most, log }: PartOptions): Promise<Ratio> {
  const bytes = megabytes * 1e6;
  const { rounds, turns } = SIZES[megabytes];
  const members = await startMembers(processes);
  let gloo: LineProcess | undefined;
  try {
    gloo = await startLineProcess(PYTHON, [peerScript('gloo_all_reduce.py'), String(processes), String(bytes)], {
      OMP_NUM_THREADS: '1',
    });
    await askAll(members, { do: 'join', view: evenView(members, { generation: 1, virtualRanks: processes, length: bytes / 4 }) });
    // A step that is hashed fills the partial sums; they stay as they are.
    await askAll(members, { do: 'steps', first: 0, count: 1, hash: true });
    let step = 1;
    const ourTurn = async (count: number): Promise<number> => {
      step += count;
      return medianOf(await reduce(members, step - count, count));
    };
    const theirTurn = async (count: number): Promise<number> => medianOf((await gloo!.ask({ rounds: count }))['seconds'] as number[]);
    const warmUp = Math.min(MOST_WARM_UP_ROUNDS, Math.max(2, Math.ceil(WARM_UP_BYTES / bytes)));
    await ourTurn(warmUp);
    await theirTurn(warmUp);
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let turn = 0; turn < Math.min(turns, most); turn++) {
      const first = turn % 2 === 0;
      if (first) ours.push(await ourTurn(rounds));
      theirs.push(await theirTurn(rounds));
      if (!first) ours.push(await ourTurn(rounds));
    }
    const milliseconds = (values: readonly number[]): string => values.map((value) => (1000 * value).toFixed(1)).join(', ');
    log(`allreduce.${processes}.${megabytes}MB: ours ${milliseconds(ours)} ms; gloo ${milliseconds(theirs)} ms`);
    return ratioToBest({ ours, peers: { gloo: theirs } });
  } finally {
    endMembers(members);
    await gloo?.close();
  }
}

async function reduce(members: readonly MemberProcess[], first: number, count: number): Promise<readonly number[]> {
  const [answer] = await askAll(members, { do: 'steps', first, count, hash: false });
  if (answer?.is !== 'stepped') throw new Error(JSON.stringify(answer));
  return answer.seconds;
}
