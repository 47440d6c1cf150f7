import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { type Collective, type Group, type GroupMember, openCollective } from '@maestro/collective';
import { planSchedule } from '@maestro/data';
import { openTrainer, type Trainer } from '@maestro/engine';
import { buildTrainingModel, maeConfig, maskedInputs, parameterSpecs } from '@maestro/mae';
import { type StateVector, stateVectors } from '@maestro/optim';
import { type JobSpec, MaestroError, parseJobSpec, type StateHolder, type StateShard, type View } from '@maestro/protocol';
import { createLogger } from '@maestro/telemetry';
import { flatLayout, type ParameterLayout } from '@maestro/tensors';
import { createCheckpointer } from '../checkpoint/checkpointer.ts';
import { createFaults } from '../process/faults.ts';
import { createCollector } from '../state/collector.ts';
import { pullShards, serveShards } from '../state/shardTransfer.ts';
import { openSnapshots } from '../state/snapshots.ts';
import { openWindowSnapshots, type WindowSnapshots } from '../state/windowSnapshots.ts';
import type { StepReport } from '../step/runSteps.ts';
import type { Exchange } from './exchange.ts';
import { createSharded } from './sharded.ts';

/** Six blocks of the flat vector: two for each of three owners. */
const config = maeConfig({
  preset: 'mae_vit_tiny_patch4',
  imageSize: 16,
  channels: 1,
  embedDim: 96,
  depth: 3,
  decoderEmbedDim: 48,
  decoderDepth: 1,
  decoderNumHeads: 2,
});
const LR = 1e-3;

/** A model and what trains it. */
interface Kind {
  readonly name: string;
  readonly spec: JobSpec;
  readonly layout: ParameterLayout;
}

const specOf = (optimizer: object): JobSpec =>
  parseJobSpec({ data: { format: 'idx', path: '/images' }, schedule: { steps: 1 }, optimizer: { ...optimizer, state: 'sharded' } });

const adamW: Kind = { name: 'AdamW', spec: specOf({}), layout: flatLayout(parameterSpecs(config)) };
/** The first block is frozen, and the decoder learns at a rate of its own. */
const lars: Kind = {
  name: 'LARS with frozen parameters',
  spec: specOf({ name: 'lars', weightDecay: 0.01 }),
  layout: flatLayout(
    parameterSpecs(config).map((each) => ({
      ...each,
      trainable: !each.name.startsWith('blocks.0.'),
      lrScale: each.name.startsWith('decoder') ? 0.5 : 1,
    })),
  ),
};
const logger = createLogger({ role: 'worker', destination: { write: () => undefined } });
const faults = createFaults(undefined);
const schedule = planSchedule({ samples: 1000, virtualRanks: 1, microBatch: 1, epochs: 1, windowSteps: 2 });
const report = (): StepReport => ({ step: 0, metrics: {}, images: 1, stepSeconds: 1, ranks: [], rankSeconds: 1 });

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open({ layout, spec }: Kind = adamW): Promise<Trainer> {
  const trainer = await openTrainer({
    trainingModel: buildTrainingModel(config, layout.tensors),
    layout,
    optimizer: spec.optimizer,
    inputs: maskedInputs(config),
    microBatch: 1,
    maxPartials: 1,
    treeDepth: 0,
  });
  closers.push(() => trainer.close());
  await trainer.load({ parameters: Float32Array.from({ length: layout.length }, (_, i) => Math.sin(i)), step: 0 });
  return trainer;
}

/** A member with real parts: what a job session is to sharding. */
async function openMember(root: string, kind: Kind = adamW) {
  const { layout, spec } = kind;
  const vectors = stateVectors(spec.optimizer);
  const [trainer, collective] = await Promise.all([open(kind), openCollective({ address: '127.0.0.1:0' })]);
  closers.push(() => collective.close());
  const session = { spec, trainer, layout, schedule, state: 0, hasFrozen: true, shards: [] as readonly StateShard[] };
  const collector = createCollector({
    trainer,
    moments: vectors.filter((name) => name !== 'parameters'),
    step: () => session.state,
    isAlone: () => session.shards.some(({ isWhole, length }) => isWhole && length === layout.trainable.length),
  });
  const checkpointer = createCheckpointer({ root, keepLast: 2, layout, trainer: collector, state: {}, onWritten: () => undefined, logger });
  closers.push(() => checkpointer.close());
  const snapshots = openSnapshots({ dir: join(root, 'scratch'), trainer, vectors, faults, onLost: () => undefined, logger });
  closers.push(() => snapshots.close());
  return { session: Object.assign(session, { collector, checkpointer, snapshots }), collective };
}
type Member = Awaited<ReturnType<typeof openMember>>;

async function joinAll(members: readonly Member[], generation: number): Promise<{ groups: Group[]; refs: GroupMember[] }> {
  const refs = members.map(({ collective }, i): GroupMember => ({ id: `w${i}`, address: collective.address!, firstRank: i, ranks: 1 }));
  const groups = await Promise.all(
    members.map(({ session, collective }, i) =>
      collective.join({
        job: 'job',
        generation,
        members: refs,
        self: `w${i}`,
        partials: session.trainer.partials.map(({ parts }) => parts.map(({ floats }) => floats)),
        reduced: session.trainer.reduced.parts.map(({ floats }) => floats),
      }),
    ),
  );
  await Promise.all(groups.map((group, i) => members[i]!.session.trainer.own(group.chunk)));
  return { groups, refs };
}

/** Sums gradients of which each rank brings another, and gives what the tree makes of them. */
async function reduce(members: readonly Member[], exchanges: readonly Exchange[], step: number): Promise<number> {
  const values = members.map((_, i) => Math.fround((step + 1) * 0.1 * (i + 1)));
  for (const [i, { session }] of members.entries()) for (const { floats } of session.trainer.partials[0]!.parts) floats.fill(values[i]!);
  for (const exchange of exchanges) exchange.begin(step);
  const totals = await Promise.all(exchanges.map((exchange) => exchange.finish(new Float64Array(0))));
  expect(new Set(totals.map(({ sumSquares }) => sumSquares)).size).toBe(1);
  const tree = (of: readonly number[]): number =>
    of.length === 1 ? of[0]! : Math.fround(tree(of.slice(0, of.length >> 1)) + tree(of.slice(of.length >> 1)));
  return tree(values);
}

async function eventually(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('it did not come about within 20 s');
    await setImmediate();
  }
}

async function applyReference(trainer: Trainer, gradient: number, step: number): Promise<void> {
  for (const { floats } of trainer.reduced.parts) floats.fill(gradient);
  await trainer.apply({ lr: LR, step: step + 1 });
}

/** SHA-256: comparing elements one by one would hold the event loop so long that members would look dead to each other. */
const digest = (...vectors: readonly Float32Array[]): string => {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of vectors) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
};

async function read(trainer: Trainer, vector: StateVector, { first, length }: { first: number; length: number }): Promise<string> {
  const values = new Float32Array(new SharedArrayBuffer(4 * length));
  await trainer.read({ vector, range: { first, length }, values });
  return digest(values);
}

test.each([adamW, lars])(
  '$name: a gather that breaks after all owners have applied loses nothing: the next members take the parts over, to the bits of a replica',
  async (kind) => {
    const { layout, spec } = kind;
    const [, ...moments] = stateVectors(spec.optimizer);
    const root = await mkdtemp(join(tmpdir(), 'maestro-sharded-'));
    closers.push(() => rm(root, { recursive: true, force: true }));
    const members = await Promise.all([0, 1, 2].map(() => openMember(root, kind)));
    const reference = await open(kind);
    const { groups, refs } = await joinAll(members, 1);
    expect(groups.every(({ chunk }) => chunk.length > 0)).toBe(true);
    let isBreaking = false;
    const shardedOf = (all: readonly Group[]) =>
      all.map((group, i) =>
        createSharded({
          session: members[i]!.session,
          group,
          isWriter: i === 0,
          isSaveAsked: () => false,
          onRound: () => undefined,
          onApplied: () => isBreaking && i === 2 && group.abort(new MaestroError('cancelled', 'broken on purpose')),
          onState: () => undefined,
          faults,
        }),
      );
    const first = shardedOf(groups);
    const apply = (exchanges: readonly Exchange[], step: number) =>
      Promise.allSettled(exchanges.map((exchange) => exchange.apply({ update: { lr: LR, step: step + 1 }, report })));

    await applyReference(reference, await reduce(members, first, 0), 0);
    expect((await apply(first, 0)).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
    expect(members.map(({ session }) => session.state)).toEqual([1, 1, 1]);

    isBreaking = true;
    await applyReference(reference, await reduce(members, first, 1), 1);
    expect((await apply(first, 1)).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(members.map(({ session }) => session.state)).toEqual([-1, -1, -1]);
    expect(members.map(({ session }) => session.shards)).toEqual(groups.map(({ chunk }) => [{ step: 2, ...chunk, isWhole: false }]));
    isBreaking = false;

    // The third leaves: it is no member of the next view, and serves its part.
    const staying = members.slice(0, 2);
    const next = await joinAll(staying, 2);
    const holders = members.flatMap(({ session }, i) =>
      session.shards.map((shard): StateHolder => ({ ...shard, ...refs[i]!, name: `w${i}` })),
    );
    const view = {
      jobId: 'job',
      generation: 2,
      startStep: 2,
      members: next.refs,
      holders,
      sources: [],
      restoreFrom: '',
    } as unknown as View;
    const options = (i: number) => ({ ...members[i]!, view, self: `w${i}`, faults });
    const stops = members.map((_, i) => serveShards(options(i)));
    const never = new AbortController().signal;
    await Promise.all(
      staying.map((_, i) =>
        pullShards({ ...options(i), chunk: next.groups[i]!.chunk, onProgress: () => undefined, logger, signal: never }),
      ),
    );
    for (const stop of stops) stop();
    expect(staying.map(({ session }) => session.state)).toEqual([2, 2]);
    for (const [i, { session }] of staying.entries()) {
      const all = { first: 0, length: layout.length };
      expect(await read(session.trainer, 'parameters', all)).toEqual(await read(reference, 'parameters', all));
      for (const vector of moments) {
        const { chunk } = next.groups[i]!;
        expect(await read(session.trainer, vector, chunk)).toEqual(await read(reference, vector, chunk));
      }
    }

    const second = shardedOf(next.groups);
    await applyReference(reference, await reduce(staying, second, 2), 2);
    await apply(second, 2);
    await expect(members[0]!.session.collector.snapshot()).rejects.toMatchObject({ code: 'conflict' });
    await Promise.all(second.map((exchange) => exchange.save()));
    const [collected, whole] = [await members[0]!.session.collector.snapshot(), await reference.snapshot()];
    const all = (state: typeof whole): string => digest(...stateVectors(spec.optimizer).map((vector) => state[vector]!));
    expect(all(collected)).toBe(all(whole));
    expect(collected.step).toBe(3);
    await expect(members[1]!.session.collector.snapshot()).rejects.toMatchObject({ code: 'conflict' });
  },
);

test('a lost owner takes its moments with it; the others go back to the end of the window, to the bits of a replica', async () => {
  const root = await mkdtemp(join(tmpdir(), 'maestro-sharded-'));
  closers.push(() => rm(root, { recursive: true, force: true }));
  const members = await Promise.all([0, 1, 2].map(() => openMember(root)));
  const [reference, atWindow] = [await open(), await open()];
  const { groups, refs } = await joinAll(members, 1);
  const never = new AbortController().signal;
  const viewOf = (generation: number, startStep: number, all: readonly GroupMember[], holders: readonly StateHolder[]): View =>
    ({ jobId: 'job', generation, startStep, members: all, holders, sources: [], restoreFrom: '' }) as unknown as View;
  const first = viewOf(1, 0, refs, []);
  const stops = members.map((member, i) => serveShards({ ...member, view: first, self: `w${i}`, faults }));
  const windows = members.map(
    (member, i): WindowSnapshots => openWindowSnapshots({ ...member, view: first, self: `w${i}`, group: groups[i]!, signal: never }),
  );
  const exchanges = members.map(({ session }, i) =>
    createSharded({
      session,
      group: groups[i]!,
      isWriter: i === 0,
      isSaveAsked: () => false,
      onApplied: () => undefined,
      onRound: () => undefined,
      onState: windows[i]!.onState,
      faults,
    }),
  );
  // Steps 1 to 3: the first window ends after the second.
  for (const step of [0, 1, 2]) {
    const gradient = await reduce(members, exchanges, step);
    await applyReference(reference, gradient, step);
    if (step < 2) await applyReference(atWindow, gradient, step);
    await Promise.all(exchanges.map((exchange) => exchange.apply({ update: { lr: LR, step: step + 1 }, report })));
  }
  await eventually(() => members.every(({ session }) => session.snapshots.offers().length === 2));
  for (const stop of stops) stop();

  // The last one is lost. Its part is with the first, its successor in the ring.
  const staying = members.slice(0, 2);
  await members[2]!.collective.close();
  const next = await joinAll(staying, 2);
  const holders = staying.flatMap(({ session }, i) =>
    session.snapshots.offers().map((shard): StateHolder => ({ ...shard, ...refs[i]!, name: `w${i}` })),
  );
  const second = viewOf(2, 2, next.refs, holders);
  const options = (i: number) => ({ ...staying[i]!, view: second, self: `w${i}`, faults });
  const stopsAgain = staying.map((_, i) => serveShards(options(i)));
  await Promise.all(
    staying.map((_, i) => pullShards({ ...options(i), chunk: next.groups[i]!.chunk, onProgress: () => undefined, logger, signal: never })),
  );
  for (const stop of stopsAgain) stop();
  expect(staying.map(({ session }) => session.state)).toEqual([2, 2]);
  for (const [i, { session }] of staying.entries()) {
    const all = { first: 0, length: adamW.layout.length };
    expect(await read(session.trainer, 'parameters', all)).toEqual(await read(atWindow, 'parameters', all));
    expect(await read(session.trainer, 'parameters', all)).not.toEqual(await read(reference, 'parameters', all));
    for (const vector of ['firstMoments', 'secondMoments'] as const) {
      const { chunk } = next.groups[i]!;
      expect(await read(session.trainer, vector, chunk)).toEqual(await read(atWindow, vector, chunk));
    }
  }
});

test('a part that is of another step, or was never here, is not served', async () => {
  const root = await mkdtemp(join(tmpdir(), 'maestro-sharded-'));
  closers.push(() => rm(root, { recursive: true, force: true }));
  const [source, joiner] = (await Promise.all([openMember(root), openMember(root)])) as [Member, Member];
  source.session.shards = [{ step: 4, first: 0, length: 100, isWhole: false }];
  const member = { id: 'w0', name: 'w0', address: source.collective.address! };
  const view = { jobId: 'job', generation: 1, startStep: 4, members: [member], holders: [] } as unknown as View;
  const stop = serveShards({ ...source, view, self: 'w0', faults });
  const pull = (ranges: { vector: number; first: number; length: number }[], collective: Collective) =>
    collective.pullState({
      job: 'job',
      generation: 1,
      member,
      self: 'w1',
      ranges,
      into: ranges.map(({ length }) => new Float32Array(length)),
    });
  await expect(pull([{ vector: 1, first: 90, length: 10 }], joiner.collective)).resolves.toMatchObject({ step: 4 });
  await expect(pull([{ vector: 1, first: 90, length: 11 }], joiner.collective)).rejects.toMatchObject({ code: 'conflict' });
  source.session.shards = [{ step: 5, first: 0, length: 100, isWhole: false }];
  await expect(pull([{ vector: 1, first: 90, length: 10 }], joiner.collective)).rejects.toMatchObject({ code: 'conflict' });
  stop();
});
