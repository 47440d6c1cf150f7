import { describe, expect, test } from '@jest/globals';
import { prepareNative } from '@maestro/native';
import { openIntake } from './group/intake.ts';
import type { Link } from './group/link.ts';
import { openOutflow } from './group/outflow.ts';
import { hasReceived, hasSent, openPeer, type Peer } from './group/peer.ts';
import type { Round, RoundPosition } from './group/round.ts';
import { planReduce } from './plan/plan.ts';
import { openVector } from './plan/vector.ts';
import { openReducer } from './reduce/reducer.ts';
import { PORTABLE_PAYLOADS, payloadKernels } from './wire/checksum.ts';
import { type ChunkMessage, type ChunkViews, decodeChunk } from './wire/codec.ts';

const BLOCK = 4;
/** Pieces hold four blocks: each of the two members owns a piece and a half. */
const LENGTH = 12 * BLOCK;
const plan = planReduce({
  members: [
    { id: 'a', firstRank: 0, ranks: 1 },
    { id: 'b', firstRank: 1, ranks: 1 },
  ],
  length: LENGTH,
  blockSize: BLOCK,
});

const bytesOf = (frame: ChunkViews): Uint8Array => {
  const bytes = new Uint8Array(frame.length);
  frame.copy(bytes, 0);
  return bytes;
};
const copyOf = (frame: ChunkViews): ChunkMessage => decodeChunk(bytesOf(frame));

const library = await prepareNative();
/** The native loops where there is a library, and the portable ones. */
const LOOPS = [
  ['portable', PORTABLE_PAYLOADS] as const,
  ...(library === undefined ? [] : [['native', payloadKernels(library.exchange)] as const]),
];

/** One member with both directions of its exchange, and no network: what it sends is in `sent`, one message at a time. */
function member(self: number, { checksums = true, payloads = PORTABLE_PAYLOADS } = {}) {
  const partials = [openVector(new Float32Array(LENGTH).fill(self + 1))];
  const memory = new Float32Array(LENGTH);
  const reduced = openVector(memory);
  const blockSumSquares = new Float64Array(LENGTH / BLOCK);
  const position: RoundPosition = { round: 0, kind: { op: 'allReduce' }, reductions: 0, step: 0 };
  const scalars = [new Float64Array(2), new Float64Array(2)] as const;
  const peer: Peer = openPeer(plan, self, 1 - self);
  const reducer = openReducer({ plan, self, partials, reduced, blockSumSquares, checksums, payloads, position });
  const opened: number[] = [];
  const sent: ChunkMessage[] = [];
  let free: (() => void) | undefined;
  const link = {
    send(frame: ChunkViews, done: () => void) {
      sent.push(copyOf(frame));
      free = done;
    },
  } as unknown as Link;
  const intake = openIntake({
    plan,
    scalarsPerRank: 1,
    position,
    reducer,
    payloads,
    reduced,
    blockSumSquares,
    scalars,
    onOpened: ({ round }) => void opened.push(round),
  });
  const outflow = openOutflow({
    plan,
    generation: 1,
    checksums,
    payloads,
    peers: [peer],
    position,
    partials,
    reduced,
    reducer,
    blockSumSquares,
    linkOf: () => link,
    scalars: () => (position.kind.op === 'gather' ? new Float64Array(0) : Float64Array.of(10 * (self + 1))),
    onSent: () => undefined,
  });
  return {
    peer,
    position,
    reducer,
    memory,
    scalars,
    opened,
    sent,
    take: (message: ChunkMessage) => intake.take(peer, message),
    begin(kind: Round, step: number) {
      Object.assign(position, { kind, step, round: position.round + 1 });
      if (kind.op !== 'gather') position.reductions++;
      Object.assign(peer, { areScalarsSent: false, partialsSent: 0, reducedSent: 0 });
    },
    /** Sends as long as there is something to send. */
    drain() {
      outflow.send(peer);
      while (free !== undefined) {
        const next = free;
        free = undefined;
        next();
      }
      return sent.splice(0);
    },
  };
}

describe.each(LOOPS)('with %s loops', (_name, payloads) => {
  const open = (self: number, options: { readonly checksums?: boolean } = {}) => member(self, { payloads, ...options });

  test('scalars open a round, reduced pieces go before partials, and each waits until the stream has taken the one before', () => {
    const a = open(0);
    a.begin({ op: 'allReduce' }, 7);
    const early = a.drain();
    expect(early.map(({ kind, first }) => [kind, first])).toEqual([
      ['scalars', 0],
      ['partial', 24],
      ['partial', 40],
    ]);
    expect([...early[0]!.values]).toEqual([10]);
    expect(early.every(({ step, checksum }) => step === 7 && checksum !== undefined)).toBe(true);
    expect(hasSent(a.peer, a.position.kind)).toBe(false);
  });

  test('two members that exchange their messages have the same sum', () => {
    const [a, b] = [open(0), open(1)];
    for (const each of [a, b]) each.begin({ op: 'allReduce' }, 3);
    const [fromA, fromB] = [a.drain(), b.drain()];
    for (const message of fromA) expect(b.take(message)).toBe(true);
    for (const message of fromB) expect(a.take(message)).toBe(true);
    for (const each of [a, b]) while (each.reducer.isReady() && each.reducer.done() < 2) each.reducer.reduceNext();
    const [sumA, sumB] = [a.drain(), b.drain()];
    expect(sumA.map(({ kind }) => kind)).toEqual(['reduced', 'reduced']);
    for (const message of sumA) b.take(message);
    for (const message of sumB) a.take(message);
    // Its own a member knows already.
    expect([a.scalars[1][1], b.scalars[1][0]]).toEqual([20, 10]);
    for (const each of [a, b]) {
      expect([...each.memory]).toEqual(Array(LENGTH).fill(3));
      expect(each.opened).toEqual([1]);
      expect([hasReceived(each.peer, 1), hasSent(each.peer, each.position.kind)]).toEqual([true, true]);
    }
  });

  test('what is not due, or not what its sender summed, is refused', () => {
    const [a, b] = [open(0), open(1)];
    for (const each of [a, b]) each.begin({ op: 'allReduce' }, 3);
    const [scalars, partial] = b.drain() as [ChunkMessage, ChunkMessage];
    expect(() => a.take(partial)).toThrow('not the message that is due: partial of step 3');
    expect(a.take(scalars)).toBe(true);
    expect(() => a.take(scalars)).toThrow('not the message that is due: scalars of step 3');
    const damaged = { ...partial, payload: partial.payload.map((byte, i) => (i === 5 ? byte ^ 1 : byte)) };
    expect(() => a.take(damaged)).toThrow(/partial of step 3, first element 0, 64 bytes: checksum/);
    expect(a.take(partial)).toBe(true);
  });

  test('what is gathered early finds no room while the caller may still read the vector', () => {
    const [a, b] = [open(0), open(1)];
    for (const each of [a, b]) each.begin({ op: 'reduceScatter' }, 3);
    const [fromA, fromB] = [a.drain(), b.drain()];
    for (const message of fromA) b.take(message);
    for (const message of fromB) a.take(message);
    for (const each of [a, b]) while (each.reducer.isReady() && each.reducer.done() < 2) each.reducer.reduceNext();
    for (const message of b.drain()) a.take(message);
    b.begin({ op: 'gather' }, 3);
    const [opening, piece] = b.drain() as [ChunkMessage, ChunkMessage];
    expect([a.take(opening), a.take(piece)]).toEqual([true, true]); // after a reduce-scatter others' chunks are free
    a.begin({ op: 'allReduce' }, 4);
    Object.assign(a.peer, { round: a.position.round + 1, kind: { op: 'gather' }, reducedReceived: 0 });
    expect(a.take(piece)).toBe(false);
  });
});
