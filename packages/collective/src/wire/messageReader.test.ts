import { expect, test } from '@jest/globals';
import { isMaestroError } from '@maestro/protocol';
import fc from 'fast-check';
import { openMessageReader } from './messageReader.ts';

/** Messages as a gRPC stream carries them. */
function streamOf(messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    messages.map((message) => {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      return Buffer.concat([prefix, message]);
    }),
  );
}

test('messages come out whole and in order, however the stream is cut and whichever are refused at first', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      fc.infiniteStream(fc.boolean()),
      (messages, cuts, refusals) => {
        const stream = streamOf(messages);
        const edges = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
        const taken: string[] = [];
        let wasRefused = false;
        const reader = openMessageReader(10_000, (message) => {
          wasRefused = !wasRefused && refusals.next().value;
          if (!wasRefused) taken.push(message.toString('hex'));
          return !wasRefused;
        });
        for (const [i, end] of edges.slice(1).entries()) {
          let isTaken = reader.push(stream.subarray(edges[i], end));
          while (!isTaken) isTaken = reader.retry();
        }
        return taken.join() === messages.map((message) => Buffer.from(message).toString('hex')).join();
      },
    ),
  );
});

test.each([
  ['over the bound', Buffer.from([0, 0, 0, 0, 101]), 'a message of 101 bytes, at most 100 are expected'],
  ['that is compressed', Buffer.from([1, 0, 0, 0, 1]), 'a compressed message'],
])('a message %s is refused before it is received', (_, prefix, message) => {
  const reader = openMessageReader(100, () => true);
  expect(() => reader.push(prefix)).toThrow(message);
  try {
    reader.push(prefix);
  } catch (error) {
    expect(isMaestroError(error, 'protocol-violation')).toBe(true);
  }
});
