import { afterEach, expect, test } from '@jest/globals';
import type { MemberAnswer } from '../support/members/allReduceMember.ts';
import { askAll, endMembers, evenView, type MemberProcess, startMembers } from '../support/members/allReduceProcesses.ts';

const VIRTUAL_RANKS = 8;
/** Several pieces a chunk, the last block short. */
const LENGTH = 9 * 65_536 + 48;

let running: readonly MemberProcess[] = [];
afterEach(() => endMembers(running));

async function start(count: number, options?: Parameters<typeof startMembers>[1]): Promise<MemberProcess[]> {
  const members = await startMembers(count, options);
  running = members;
  return members;
}

function hashesOf(answer: MemberAnswer): readonly string[] {
  if (answer.is !== 'stepped') throw new Error(JSON.stringify(answer));
  return answer.hashes;
}

test.each(['f32', 'bf16'] as const)(
  '1, 2, 3, 4 and 7 processes get the same bits of an %s all-gather, view after view',
  async (allGather) => {
    // Every other member does without the native library.
    const members = await start(7, { loops: (i) => (i % 2 === 0 ? 'native' : 'portable') });
    const hashes = new Set<string>();
    for (const [generation, workers] of [1, 2, 3, 4, 7].entries()) {
      const group = members.slice(0, workers);
      // Segments change nothing either.
      const segment = generation % 2 === 0 ? 0 : 200_016;
      const view = evenView(group, { generation, virtualRanks: VIRTUAL_RANKS, length: LENGTH, segment, allGather });
      expect(new Set((await askAll(group, { do: 'join', view })).map(({ is }) => is))).toEqual(new Set(['joined']));
      for (const answer of await askAll(group, { do: 'steps', first: 5, count: 2, hash: true })) hashes.add(hashesOf(answer).join());
      await askAll(group, { do: 'leave' });
    }
    expect(hashes.size).toBe(1);
    const [first, second] = [...hashes][0]!.split(',');
    expect(first).not.toBe(second);
  },
);

test('steps follow each other without a barrier, and members may be of different speed', async () => {
  const members = await start(3);
  const view = evenView(members, { generation: 1, virtualRanks: VIRTUAL_RANKS, length: LENGTH });
  await askAll(members, { do: 'join', view });
  // The last begins each step later than the others: they wait, at most one step ahead.
  const answers = await Promise.all([
    members[0]!.ask({ do: 'steps', first: 0, count: 12, hash: false }),
    members[1]!.ask({ do: 'steps', first: 0, count: 12, hash: false }),
    members[2]!.ask({ do: 'steps', first: 0, count: 12, hash: true }),
  ]);
  expect(answers.map(({ is }) => is)).toEqual(['stepped', 'stepped', 'stepped']);
});

/** What a loaded machine may add. */
const LOADED_MACHINE_MS = 10_000;

/** Members 0 and 2 work; member 1 is ended by `signal` in the middle of it. */
async function loseOne(signal: 'SIGKILL' | 'SIGSTOP', keepaliveMs: number): Promise<{ answers: MemberAnswer[]; elapsedMs: number }> {
  const members = await start(3, { keepaliveMs });
  const view = evenView(members, { generation: 4, virtualRanks: VIRTUAL_RANKS, length: 16 * LENGTH });
  await askAll(members, { do: 'join', view });
  const survivors = [members[0]!, members[2]!].map((member) => member.ask({ do: 'steps', first: 0, count: 1000, hash: false }));
  const begun = members[1]!.ask({ do: 'steps', first: 0, count: 2, hash: false });
  await begun;
  const begin = performance.now();
  members[1]!.process.kill(signal);
  return { answers: await Promise.all(survivors), elapsedMs: performance.now() - begin };
}

test.each([['SIGKILL', 10_000] as const, ['SIGSTOP', 1500] as const])(
  'after %s of a member the others fail at once, naming it',
  async (signal, keepaliveMs) => {
    const { answers, elapsedMs } = await loseOne(signal, keepaliveMs);
    for (const answer of answers) {
      expect(answer).toMatchObject({ is: 'failed', code: 'peer-lost', details: { member: 'worker-1', generation: 4 } });
    }
    // A kill resets the streams, long before keepalive would tell; a stopped process only keepalive finds.
    expect(elapsedMs).toBeLessThan(signal === 'SIGKILL' ? keepaliveMs : 2 * keepaliveMs + LOADED_MACHINE_MS);
  },
);
