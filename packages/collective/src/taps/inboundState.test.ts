import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { FloatVector } from '../plan/vector.ts';
import { encodeStateEnd, encodeStatePiece, MOST_STATE_MESSAGE_BYTES, STATE_PIECE_FLOATS } from '../state/stateMessages.ts';
import type { ChunkFrame } from '../wire/codec.ts';
import { openInboundState } from './inboundState.ts';
import { type MemberState, openOutboundState } from './outboundState.ts';

/** A message as it lies in a gRPC frame, after the 5 bytes before it. */
function framed(frame: ChunkFrame): Buffer {
  const buffer = Buffer.alloc(frame.length + 5);
  frame.copy(buffer, 5);
  return buffer.subarray(5);
}

function messagesOf(state: MemberState): Buffer[] {
  const outbound = openOutboundState(state);
  return Array.from({ length: outbound.count }, (_, n) => framed(outbound.message(n)));
}

/** Cuts an array into segments of its own memory, at `cuts`. */
function segmentsOf(array: Float32Array, cuts: readonly number[]): Float32Array[] {
  const edges = [0, ...cuts.map((cut) => cut % (array.length + 1)).sort((a, b) => a - b), array.length];
  return edges.slice(1).map((end, i) => array.slice(edges[i], end));
}

const flat = (vector: FloatVector): number[] => (vector instanceof Float32Array ? [...vector] : vector.flatMap((segment) => [...segment]));
const cuts = fc.array(fc.nat(), { maxLength: 3 });

test('a state comes back as it was sent, however either side cuts its vectors into segments', () => {
  const vector = fc.record({ values: fc.float32Array({ maxLength: 300 }), from: cuts, to: cuts });
  fc.assert(
    fc.property(fc.array(vector, { maxLength: 5 }), fc.maxSafeNat(), (parts, step) => {
      const into = parts.map(({ values, to }) => segmentsOf(new Float32Array(values.length), to));
      const inbound = openInboundState(into);
      for (const message of messagesOf({ step, vectors: parts.map(({ values, from }) => segmentsOf(values, from)) })) {
        expect(inbound.summary()).toBeUndefined();
        inbound.take(message);
      }
      expect(into.map(flat)).toEqual(parts.map(({ values }) => [...values]));
      expect(inbound.summary()?.step).toBe(step);
      expect(inbound.bytes()).toBe(4 * parts.reduce((sum, { values }) => sum + values.length, 0));
    }),
  );
});

test('the hash is SHA-256 over all vectors in order, whatever their segments', () => {
  const hashOf = (vectors: readonly FloatVector[]) => {
    const inbound = openInboundState([new Float32Array(2), new Float32Array(1)]);
    for (const message of messagesOf({ step: 3, vectors })) inbound.take(message);
    return inbound.summary()?.hash;
  };
  // printf '\0\0\200?\0\0\0@\0\0@@' | sha256sum
  const expected = '8e628779e6a74ee0b36991c10158f63cafec7d340ad4e075592502c8708524dd';
  expect(hashOf([Float32Array.of(1, 2), Float32Array.of(3)])).toBe(expected);
  expect(hashOf([[Float32Array.of(1), Float32Array.of(2)], Float32Array.of(3)])).toBe(expected);
});

test('pieces are of 1 MiB at most, their payload on a multiple of 8 bytes in the frame', () => {
  const values = new Float32Array(STATE_PIECE_FLOATS + 1).fill(1);
  for (const step of [0, 2 ** 40]) {
    const messages = messagesOf({ step, vectors: [new Float32Array(3), values] });
    expect(messages).toHaveLength(4);
    for (const message of messages) {
      expect(message.length).toBeLessThanOrEqual(MOST_STATE_MESSAGE_BYTES);
      const payload = message.indexOf(Buffer.from(Float32Array.of(1).buffer));
      if (payload > 0) expect((message.byteOffset + payload) % 8).toBe(0);
    }
  }
});

describe('refused', () => {
  const state: MemberState = { step: 5, vectors: [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6)] };
  const into = (...lengths: number[]) => openInboundState(lengths.map((length) => new Float32Array(length)));
  const piece = (vector: number, first: number, crc32: number, payload: Uint8Array) =>
    framed(encodeStatePiece({ vector, first, crc32 }, payload));
  const end = (step: number, sha256: Uint8Array, ...lengths: number[]) => framed(encodeStateEnd({ step, sha256, lengths }));
  const [first, second, last] = messagesOf(state) as [Buffer, Buffer, Buffer];

  test.each([
    ['a vector longer than the own', into(2, 3), [first], '12 bytes for elements of vector 0 from 0 do not fit in a vector of 2 elements'],
    ['a vector shorter than the own', into(4, 3), [first, second], 'elements of vector 1 from 0 came, due are those of vector 0 from 3'],
    ['a vector too many', into(3), [first, second], 'elements of vector 1 from 0 came, due is the end'],
    ['a vector too few', into(3, 3, 1), [first, second, last], 'its vectors have 3, 3 elements, expected are 3, 3, 1'],
    ['a piece that is left out', into(3, 3), [second], 'elements of vector 1 from 0 came, due are those of vector 0 from 0'],
    ['a piece that comes twice', into(3, 3), [first, first], 'elements of vector 0 from 0 came, due are those of vector 1 from 0'],
    ['the end before its time', into(3, 3), [first, last], 'the end came, due are elements of vector 1 from 0'],
    ['a message after the end', into(3, 3), [first, second, last, last], 'a message came after the end'],
    ['a piece of nothing', into(3, 3), [piece(0, 0, 0, new Uint8Array(0))], '0 bytes for elements of vector 0'],
    ['part of an element', into(3, 3), [piece(0, 0, 0, new Uint8Array(3))], '3 bytes for elements of vector 0'],
    ['a wrong checksum', into(3, 3), [piece(0, 0, 7, new Uint8Array(12))], 'are damaged: CRC-32 7bd5c66f, expected 00000007'],
    ['a wrong hash', into(3, 3), [first, second, end(5, new Uint8Array(32), 3, 3)], 'the state is damaged: SHA-256 '],
    ['what is no message', into(3, 3), [Buffer.from([0x2a, 100])], 'state message of 2 bytes: '],
  ])('%s', (_, inbound, messages, reason) => {
    const take = () => {
      try {
        for (const message of messages) inbound.take(message);
        return undefined;
      } catch (error) {
        return error;
      }
    };
    expect(take()).toMatchObject({ name: 'MaestroError', code: 'protocol-violation', message: expect.stringContaining(reason) });
  });

  test('a byte that changed anywhere in a piece', () => {
    const payloadAt = first.length - 12;
    fc.assert(
      fc.property(fc.integer({ min: payloadAt, max: first.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(first);
        damaged[at]! ^= change;
        expect(() => into(3, 3).take(damaged)).toThrow('are damaged: CRC-32');
      }),
    );
  });
});
