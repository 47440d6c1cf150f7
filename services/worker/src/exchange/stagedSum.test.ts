import { afterEach, expect, test } from '@jest/globals';
import { type Group, type GroupMember, openCollective } from '@maestro/collective';
import { SUM_SQUARES_BLOCK } from '@maestro/kernels';
import { MaestroError } from '@maestro/protocol';
import { openStagedSum } from './stagedSum.ts';

const LENGTH = 9 * SUM_SQUARES_BLOCK + 40;
/** From the end of the vector to its beginning. */
const EARLY = { first: 4 * SUM_SQUARES_BLOCK, end: LENGTH };
const LATE = { first: 0, end: 4 * SUM_SQUARES_BLOCK };

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Two members over real sockets, each with a gradient of its own, that sum it in `ranges`. */
async function open(ranges: readonly { readonly first: number; readonly end: number }[]) {
  const collectives = await Promise.all([0, 1].map(() => openCollective({ address: '127.0.0.1:0' })));
  for (const collective of collectives) closers.push(() => collective.close());
  const members = collectives.map(({ address }, i): GroupMember => ({ id: `w${i}`, address: address!, firstRank: i, ranks: 1 }));
  const reduced = members.map(() => new Float32Array(LENGTH));
  const groups = await Promise.all(
    collectives.map((collective, i) => {
      const gradient = Float32Array.from({ length: LENGTH }, (_, at) => Math.sin(at + 1) * (i + 1));
      return Promise.all(
        ranges.map(({ first, end }, stage) =>
          collective.join({
            job: `job/${stage}`,
            generation: 1,
            members,
            self: `w${i}`,
            partials: [gradient.subarray(first, end)],
            reduced: reduced[i]!.subarray(first, end),
            scalarsPerRank: stage === ranges.length - 1 ? 1 : 0,
          }),
        ),
      );
    }),
  );
  return { reduced, groups, sums: groups.map((own: readonly Group[]) => openStagedSum(own)) };
}

/** Two steps; the members offer at different times. */
async function take({ sums, reduced }: Awaited<ReturnType<typeof open>>) {
  const taken: unknown[] = [];
  for (const step of [0, 1]) {
    for (const sum of sums) for (let stage = 0; stage < sum.early; stage++) sum.offer(step, stage);
    const results = await Promise.all(sums.map((sum, i) => sum.finish({ step, scalars: Float64Array.of(10 * step + i) })));
    taken.push(
      ...results.map(({ scalars, blockSumSquares, ...rest }) => ({ ...rest, scalars: [...scalars], blocks: [...blockSumSquares] })),
    );
    taken.push(...reduced.map((each) => Buffer.compare(Buffer.from(each.buffer), Buffer.from(reduced[0]!.buffer))));
  }
  return { taken, bytes: Buffer.from(reduced[0]!.buffer) };
}

test('a sum in stages has the bits of a sum of the whole vector: elements, sums of squares and scalars', async () => {
  const whole = await take(await open([{ first: 0, end: LENGTH }]));
  const staged = await take(await open([EARLY, LATE]));
  expect(staged.taken).toEqual(whole.taken);
  expect(staged.bytes.equals(whole.bytes)).toBe(true);
});

test('a member that offered a stage and still computes waits for nobody; then it waits for both stages of its peer', async () => {
  const { sums } = await open([EARLY, LATE]);
  const [ours, theirs] = sums as [(typeof sums)[0], (typeof sums)[0]];
  ours.offer(0, 0);
  expect(ours.waiting()).toEqual([]);
  const finished = ours.finish({ step: 0, scalars: Float64Array.of(1) });
  expect(ours.waiting().map(({ member }) => member)).toEqual(['w1', 'w1']);
  theirs.offer(0, 0);
  await Promise.all([finished, theirs.finish({ step: 0, scalars: Float64Array.of(2) })]);
  expect(ours.waiting()).toEqual([]);
});

test('a stage that fails while later ones are computed is told by the end of the step', async () => {
  const { sums, groups } = await open([EARLY, LATE]);
  sums[0]!.offer(0, 0);
  groups[0]![0]!.abort(new MaestroError('cancelled', 'broken on purpose'));
  await expect(sums[0]!.finish({ step: 0, scalars: Float64Array.of(1) })).rejects.toThrow('broken on purpose');
});
