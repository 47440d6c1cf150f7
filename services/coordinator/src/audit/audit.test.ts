import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { planSchedule, type Schedule, stepsOfEpoch } from '@maestro/data';
import fc from 'fast-check';
import { type Ledger, type Segment, UNKNOWN_WORKER } from '../books/ledger.ts';
import { openStore, type Store } from '../books/store.ts';
import { plannedEntry } from '../testing/plannedStep.ts';
import { type RedisProcess, startRedisProcess } from '../testing/redisProcess.ts';
import { auditLedger } from './audit.ts';
import { foldEpoch } from './auditEpoch.ts';

let dir: string;
let redis: RedisProcess;
let store: Store;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-audit-'));
  redis = await startRedisProcess(dir);
  store = await openStore(await redis.connect());
});
afterAll(async () => {
  await store.close();
  await redis.stop();
  await rm(dir, { recursive: true });
});

/** How a job went: its schedule, where it began and how far it came, and who worked when. */
interface Story {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly firstStep: number;
  readonly step: number;
  /** Steps after which the next generation, with other workers, goes on. */
  readonly changes: readonly number[];
  readonly broken: readonly number[];
  readonly isFolded: boolean;
}

const anyStory: fc.Arbitrary<Story> = fc
  .record({
    virtualRanks: fc.integer({ min: 1, max: 5 }),
    microBatch: fc.integer({ min: 1, max: 3 }),
    accumulation: fc.integer({ min: 1, max: 2 }),
    windowSteps: fc.integer({ min: 1, max: 4 }),
    lastBatch: fc.constantFrom('drop' as const, 'keep' as const),
    epochs: fc.integer({ min: 1, max: 4 }),
    fullSteps: fc.integer({ min: 1, max: 7 }),
    rest: fc.nat({ max: 20 }),
    maxSteps: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
    seed: fc.nat(),
    begin: fc.double({ min: 0, max: 0.8, noNaN: true }),
    end: fc.double({ min: 0.2, max: 1, noNaN: true }),
    changes: fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 3 }),
    broken: fc.array(fc.nat({ max: 4 }), { maxLength: 1 }),
    isFolded: fc.boolean(),
  })
  .map(({ fullSteps, rest, begin, end, seed, changes, broken, isFolded, maxSteps, ...options }) => {
    const globalBatch = options.virtualRanks * options.microBatch * options.accumulation;
    const samples = fullSteps * globalBatch + (rest % globalBatch);
    const schedule = planSchedule({ ...options, samples, ...(maxSteps === undefined ? {} : { maxSteps }) });
    const firstStep = Math.floor(begin * (schedule.totalSteps - 1));
    const step = Math.min(Math.max(firstStep + 1, Math.round(end * schedule.totalSteps)), schedule.totalSteps);
    return { schedule, seed, firstStep, step, changes: [...changes].sort((a, b) => a - b), broken, isFolded };
  });

let jobs = 0;
/** Lives the story with the real scripts on a real Redis, and reads the ledger it leaves. */
async function live({ schedule, seed, firstStep, step, changes, broken, isFolded }: Story): Promise<Ledger> {
  const jobId = `job-${jobs++}`;
  const { samples } = schedule;
  let generation = 0;
  for (let at = firstStep + 1; at <= step; at++) {
    const now = 1 + changes.filter((change) => change < at).length;
    if (now !== generation) await store.openGeneration({ jobId, generation: now, step: at - 1, samples, firstStep });
    generation = now;
    const workers = [`a:${now}`, 'b:0'].slice(0, 1 + (now % 2));
    expect(await store.commitStep(plannedEntry(schedule, jobId, { seed, step: at, generation, workers, broken }))).toBe('committed');
    const epoch = Math.floor((at - 1) / schedule.stepsPerEpoch);
    if (!isFolded || at !== stepsOfEpoch(schedule, epoch).endStep) continue;
    const row = foldEpoch({ schedule, seed, shards: await store.loadShards(jobId, epoch, schedule), epoch, firstStep });
    expect(row).not.toHaveProperty('problems');
    if ('epoch' in row) await store.foldEpoch(jobId, row, schedule);
  }
  return (await store.loadLedger(jobId))!;
}

test('what the scripts write of any job is clean: windows, uneven epochs, kept batches, resumed, unfinished, folded or not', async () => {
  await fc.assert(
    fc.asyncProperty(anyStory, async (story) => {
      const { schedule, seed, firstStep, step } = story;
      const ledger = await live(story);
      const audit = auditLedger({ schedule, seed, ledger, dueStep: ledger.step });
      expect(audit.problems).toEqual([]);
      expect(audit).toMatchObject({ isClean: true, step, firstStep, missing: 0, duplicates: 0, mismatches: 0, problemCount: 0 });
      expect(audit.images + audit.skipped).toBe(audit.expected);
      expect(audit.epochs.reduce((sum, { steps }) => sum + steps, 0)).toBe(step - firstStep);
      expect(audit.workers.reduce((sum, { images }) => sum + images, 0)).toBe(audit.images);
      const { stepsPerEpoch } = schedule;
      const done = Math.floor(step / stepsPerEpoch) - Math.ceil(firstStep / stepsPerEpoch);
      if (story.isFolded) expect(ledger.epochs.length).toBeGreaterThanOrEqual(Math.max(done, 0));
    }),
    { numRuns: 60 },
  );
});

type Corruption = (ledger: Ledger, pick: (count: number) => number) => Ledger | undefined;

/** Replaces one segment by none, one or several. */
const onSegment =
  (change: (segment: Segment) => Segment[] | undefined): Corruption =>
  (ledger, pick) => {
    if (ledger.shards.length === 0) return undefined;
    const at = pick(ledger.shards.length);
    const { segments } = ledger.shards[at]!;
    const which = pick(segments.length);
    const changed = change(segments[which]!);
    if (changed === undefined) return undefined;
    const shard = { ...ledger.shards[at]!, segments: segments.toSpliced(which, 1, ...changed) };
    return { ...ledger, shards: ledger.shards.with(at, shard) };
  };

const onEpoch =
  (change: (row: Ledger['epochs'][number]) => Ledger['epochs'][number][]): Corruption =>
  (ledger, pick) => {
    if (ledger.epochs.length === 0) return undefined;
    const at = pick(ledger.epochs.length);
    return { ...ledger, epochs: ledger.epochs.toSpliced(at, 1, ...change(ledger.epochs[at]!)) };
  };

const CORRUPTIONS: Record<string, Corruption> = {
  'a dropped segment': onSegment(() => []),
  'a dropped step': onSegment((segment) => (segment.last > segment.first ? [{ ...segment, last: segment.last - 1 }] : [])),
  'a doubled segment': onSegment((segment) => [segment, segment]),
  'a segment that goes on too long': onSegment((segment) => [{ ...segment, last: segment.last + 1 }]),
  'a changed digest': onSegment((segment) => [{ ...segment, digest: segment.digest ^ 1 }]),
  'an image that is not counted': onSegment((segment) => (segment.images > 0 ? [{ ...segment, images: segment.images - 1 }] : undefined)),
  'another worker': onSegment((segment) => (segment.digest > 0 ? [{ ...segment, worker: 'x' }] : undefined)),
  'workers that are swapped': (ledger, pick) => {
    const all = ledger.shards.flatMap(({ segments }, shard) => segments.map((segment, at) => ({ segment, shard, at })));
    const others = (one: Segment) => all.filter(({ segment }) => segment.worker !== one.worker && segment.digest !== one.digest);
    const ones = all.filter(({ segment }) => others(segment).length > 0);
    if (ones.length === 0) return undefined;
    const one = ones[pick(ones.length)]!;
    const other = others(one.segment)[pick(others(one.segment).length)]!;
    const put = (shards: Ledger['shards'], { shard, at }: typeof one, { worker }: Segment) =>
      shards.with(shard, { ...shards[shard]!, segments: shards[shard]!.segments.with(at, { ...shards[shard]!.segments[at]!, worker }) });
    return { ...ledger, shards: put(put(ledger.shards, one, other.segment), other, one.segment) };
  },
  'rows that are swapped between virtual ranks': (ledger, pick) => {
    if (ledger.shards.length === 0) return undefined;
    const a = pick(ledger.shards.length);
    const [one, b] = [ledger.shards[a]!, pick(ledger.shards.length)];
    const other = ledger.shards[b]!;
    if (one.segments.some(({ digest }, at) => other.segments[at]?.digest === digest)) return undefined;
    const shards = ledger.shards.with(a, { ...one, segments: other.segments }).with(b, { ...other, segments: one.segments });
    return { ...ledger, shards };
  },
  'a row of a step that is not committed': (ledger) => ({
    ...ledger,
    shards: [
      ...ledger.shards,
      { epoch: 99, window: 0, virtualRank: 0, segments: [{ first: 990, last: 990, generation: 1, worker: 'a', images: 1, digest: 1 }] },
    ],
  }),
  'a committed step more': (ledger) => ({ ...ledger, step: ledger.step + 1 }),
  'a committed step less': (ledger) => ({ ...ledger, step: ledger.step - 1 }),
  'a dropped epoch': onEpoch(() => []),
  'a doubled epoch': onEpoch((row) => [row, row]),
  'a changed digest of an epoch': onEpoch((row) => [{ ...row, digest: row.digest ^ 1 }]),
  'an epoch with an image less': onEpoch((row) => [{ ...row, images: row.images - 1 }]),
  'an epoch of other steps': onEpoch((row) => [{ ...row, firstStep: row.firstStep + 1 }]),
  'an epoch without one of its workers': onEpoch((row) => [{ ...row, workers: Object.fromEntries(Object.entries(row.workers).slice(1)) }]),
};

test.each(Object.keys(CORRUPTIONS))('%s is found', async (name) => {
  await fc.assert(
    fc.asyncProperty(anyStory, fc.infiniteStream(fc.nat({ max: 1_000_000 })), async (story, numbers) => {
      const ledger = await live(story);
      const corrupted = CORRUPTIONS[name]!(ledger, (count) => numbers.next().value! % count);
      // Another story is drawn for one that cannot be corrupted so.
      fc.pre(corrupted !== undefined);
      const { schedule, seed } = story;
      const audit = auditLedger({ schedule, seed, ledger: corrupted!, dueStep: ledger.step });
      expect(audit.isClean).toBe(false);
      expect(audit.problems.length).toBeGreaterThan(0);
    }),
    { numRuns: 20 },
  );
});

const schedule = planSchedule({ samples: 70, virtualRanks: 2, microBatch: 4, epochs: 3, windowSteps: 4 });
const story: Story = { schedule, seed: 3, firstStep: 0, step: 7, changes: [2], broken: [1], isFolded: false };

test('a shard that changed hands has a segment for each owner, and the audit tells what each did', async () => {
  const ledger = await live(story);
  expect(ledger.shards.find(({ window, virtualRank }) => window === 0 && virtualRank === 1)!.segments).toMatchObject([
    { first: 0, last: 1, generation: 1, worker: 'b:0', images: 6 },
    { first: 2, last: 3, generation: 2, worker: 'a:2', images: 6 },
  ]);
  const { workers, skipped, epochs } = auditLedger({ schedule, seed: 3, ledger, dueStep: ledger.step });
  expect(skipped).toBe(7);
  expect(workers).toEqual([
    { id: 'a:1', images: 8, share: 8 / 49 },
    { id: 'a:2', images: 35, share: 35 / 49 },
    { id: 'b:0', images: 6, share: 6 / 49 },
  ]);
  expect(epochs).toMatchObject([{ epoch: 0, firstStep: 0, steps: 7, isComplete: false, isFolded: false, expected: 56, images: 49 }]);
});

test('problems name epoch, window, virtual rank, steps and worker', async () => {
  const ledger = await live(story);
  const [shard, ...others] = ledger.shards as [Ledger['shards'][number], ...Ledger['shards'][number][]];
  const [first, second] = shard.segments as [Segment, Segment];
  const broken = { ...ledger, shards: [{ ...shard, segments: [first, { ...second, first: 1, last: 2, digest: 5 }] }, ...others] };
  expect(auditLedger({ schedule, seed: 3, ledger: broken, dueStep: ledger.step }).problems.slice(0, 3)).toEqual([
    'epoch 0, window 0, virtual rank 0: steps 1 are there twice, again by a:2',
    'epoch 0, window 0, virtual rank 0: steps 1..2 by a:2 took other samples than planned (digest 5)',
    'epoch 0, window 0, virtual rank 0: steps 3 are missing',
  ]);
});

test('an epoch whose rows are not as planned is not folded, so that the audit can show where', async () => {
  const ledger = await live({ ...story, step: 8 });
  const fold = (shards: Ledger['shards']) => foldEpoch({ schedule, seed: 3, shards, epoch: 0, firstStep: 0 });
  expect(fold(ledger.shards)).toMatchObject({ epoch: 0, steps: 8, images: 56, skipped: 8, unknownSteps: 0 });
  expect(fold(ledger.shards.slice(1))).toHaveProperty('problems');
  const [shard, ...others] = ledger.shards as [Ledger['shards'][number], ...Ledger['shards'][number][]];
  const [segment, ...rest] = shard.segments as [Segment, ...Segment[]];
  expect(fold([{ ...shard, segments: [{ ...segment, digest: 1 }, ...rest] }, ...others])).toMatchObject({
    problems: [expect.stringContaining('is not that of its samples')],
  });
});

test('steps that nobody could report are counted', async () => {
  const jobId = 'job-unknown';
  await store.openGeneration({ jobId, generation: 1, step: 0, samples: 70, firstStep: 0 });
  for (let step = 1; step <= 8; step++) {
    const workers = step > 2 && step < 6 ? [UNKNOWN_WORKER] : ['a', 'b'];
    await store.commitStep(plannedEntry(schedule, jobId, { step, workers }));
  }
  const ledger = (await store.loadLedger(jobId))!;
  const audit = auditLedger({ schedule, seed: 0, ledger, dueStep: ledger.step });
  expect(audit).toMatchObject({ isClean: true, unknownSteps: 3 });
  const row = foldEpoch({ schedule, seed: 0, shards: ledger.shards, epoch: 0, firstStep: 0 });
  expect(row).toMatchObject({ unknownSteps: 3 });
});

test('a record that lacks steps which the job has done is incomplete, with the samples of all its epochs missing', async () => {
  const ledger = await live({ ...story, step: 13, changes: [], broken: [] });
  const whole = auditLedger({ schedule, seed: 3, ledger, dueStep: 13 });
  expect(whole).toMatchObject({ verdict: 'clean', isClean: true, expected: 13 * 8, missing: 0 });
  const lacking = auditLedger({ schedule, seed: 3, ledger, dueStep: schedule.totalSteps });
  expect(lacking).toMatchObject({ verdict: 'incomplete', isClean: false, dueStep: 24, expected: 24 * 8, missing: 11 * 8, problemCount: 1 });
  expect(lacking.problems).toEqual([
    'incomplete: the ledger has 13 steps, the job has done 24; steps 13 to 23 (epochs 1 to 2) are not in it',
  ]);
  const both = auditLedger({ schedule, seed: 3, ledger: { ...ledger, shards: ledger.shards.slice(1) }, dueStep: 24 });
  expect(both.verdict).toBe('unclean');
});
