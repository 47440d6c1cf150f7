import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { SUM_SQUARES_BLOCK } from '@maestro/kernels';
import { MaestroError } from '@maestro/protocol';
import { beginCall } from './group/beginCall.ts';
import { MEMBER_SETTING } from './group/memberServer.ts';
import { openMemberSession, openSession } from './group/session.ts';
import { type Collective, type Group, type GroupMember, openCollective, planReduce } from './index.ts';
import { CLIENT_PREFACE, FRAME_HEADER_BYTES, FRAME_TYPES, SETTINGS, writeFrameHeader } from './wire/http2Frame.ts';
import { COLLECTIVE_SERVICE, MOST_FRAME_BYTES } from './wire/service.ts';

const LENGTH = 2 * SUM_SQUARES_BLOCK;
const keepalive = { timeMs: 1000, timeoutMs: 1000 };

const opened: { close: () => unknown }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((resource) => resource.close()));
});

/** Numbers that a seed decides (a linear congruential generator; Numerical Recipes, section 7.1). */
function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Two members over real sockets, that can sum again and again. */
async function pair(): Promise<{ readonly members: readonly GroupMember[]; readonly sum: (step: number) => Promise<readonly number[]> }> {
  const collectives = await Promise.all([openCollective({ address: '127.0.0.1:0' }), openCollective({ address: '127.0.0.1:0' })]);
  opened.push(...collectives);
  const members = collectives.map(({ address }, i) => ({ id: `worker-${i}`, address: address!, firstRank: i, ranks: 1 }));
  const reduced = members.map(() => new Float32Array(LENGTH));
  const join = (collective: Collective, i: number): Promise<Group> =>
    collective.join({
      job: 'job',
      generation: 1,
      members,
      self: `worker-${i}`,
      partials: [new Float32Array(LENGTH).fill(i + 1)],
      reduced: reduced[i]!,
    });
  const groups = await Promise.all(collectives.map(join));
  return {
    members,
    sum: async (step) => {
      await Promise.all(groups.map((group) => group.allReduce({ step, scalars: new Float64Array(0) })));
      return reduced.map((vector) => vector[LENGTH - 1]!);
    },
  };
}

function reach(address: string): Promise<Socket> {
  const [host, port] = address.split(':') as [string, string];
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port) }, () => resolve(socket));
    socket.on('error', reject);
    socket.on('data', () => {});
    opened.push({ close: () => socket.destroy() });
  });
}

function frame(type: number, payload: Uint8Array, { flags = 0, stream = 0, length = payload.length } = {}): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  bytes.set(payload, writeFrameHeader(bytes, 0, { length, type, flags, stream }));
  return bytes;
}

/** What a member says first. */
function memberPreface(): Buffer {
  const settings = Buffer.alloc(18);
  const values = [
    [SETTINGS.initialWindowSize, 4 * MOST_FRAME_BYTES],
    [SETTINGS.maxFrameSize, MOST_FRAME_BYTES],
    [MEMBER_SETTING, 1],
  ] as const;
  for (const [i, [id, value]] of values.entries()) settings.writeUInt32BE(value, settings.writeUInt16BE(id, 6 * i));
  return Buffer.concat([CLIENT_PREFACE, frame(FRAME_TYPES.settings, settings)]);
}

/** Everything that `socket` is given, and its end; resolves when the other side has ended it, or has taken all and waits for more. */
async function say(socket: Socket, bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.off('error', () => {});
    socket.on('error', () => resolve());
    socket.end(bytes, () => resolve());
  });
}

describe('what strangers send to a member', () => {
  test('frames that are none end their connection, and the members sum on', async () => {
    const { members, sum } = await pair();
    const { windowUpdate } = FRAME_TYPES;
    const hostile = [
      frame(windowUpdate, new Uint8Array(0)),
      frame(windowUpdate, new Uint8Array(2), { stream: 1 }),
      frame(windowUpdate, Uint8Array.of(255, 255, 255, 255)),
      frame(0x77, new Uint8Array(40), { length: 2 ** 24 - 1 }),
      frame(FRAME_TYPES.headers, Uint8Array.of(255, 255, 255), { flags: 4, stream: 1 }),
    ];
    for (const bytes of hostile) await say(await reach(members[0]!.address), Buffer.concat([memberPreface(), bytes]));
    expect(await sum(1)).toEqual([3, 3]);
  });

  test('bytes of chance, half of them behind what a member says first, change nothing', async () => {
    const { members, sum } = await pair();
    const whole = seeded(7);
    for (let round = 0; round < 200; round++) {
      const bytes = Buffer.from(Array.from({ length: whole(300) }, () => whole(256)));
      const payload = bytes.subarray(0, whole(bytes.length + 1));
      const chance = round % 3 === 0 ? bytes : frame(whole(12), payload, { flags: whole(256), stream: whole(4) });
      await say(await reach(members[round % 2]!.address), round % 2 === 0 ? Buffer.concat([memberPreface(), chance]) : chance);
      if (round % 50 === 0) expect(await sum(round + 1)).toEqual([3, 3]);
    }
    expect(await sum(300)).toEqual([3, 3]);
  });

  test('calls with hostile names, of other views and under a member’s name are refused, and the members sum on', async () => {
    const { members, sum } = await pair();
    const { digest } = planReduce({ members, length: LENGTH, blockSize: SUM_SQUARES_BLOCK });
    const good = { job: 'job', generation: 1, member: 'worker-1', target: 'worker-0', plan: digest };
    const hostile: readonly object[] = [
      good,
      { ...good, member: 'stranger' },
      { ...good, member: 'worker-0' },
      { ...good, member: '\ud800%\u0000\n' },
      { ...good, target: 'x'.repeat(60_000) },
      { ...good, generation: 0 },
      { ...good, plan: '' },
    ];
    const answers: string[] = [];
    for (const request of hostile) {
      const { session } = await openMemberSession({ address: members[0]!.address, keepalive });
      const { path, requestSerialize } = COLLECTIVE_SERVICE.Pull;
      const error = await new Promise((resolve) => {
        const stream = beginCall(session, path, requestSerialize(request as never), { accepted: () => resolve('taken'), ended: resolve });
        stream.resume();
      });
      answers.push(error instanceof MaestroError ? error.code : String(error));
      session.destroy();
    }
    expect(answers).toEqual(hostile.map(() => 'conflict'));
    expect(await sum(1)).toEqual([3, 3]);
  });

  test('one that goes away before it is answered is forgotten', async () => {
    const { members, sum } = await pair();
    const { path, requestSerialize } = COLLECTIVE_SERVICE.Pull;
    const early = requestSerialize({ job: 'job', generation: 9, member: 'a', target: 'b', plan: '' });
    for (let round = 0; round < 20; round++) {
      const { session } = await openMemberSession({ address: members[0]!.address, keepalive });
      const stream = beginCall(session, path, early, { accepted: () => {}, ended: () => {} });
      if (round % 2 === 0) stream.close();
      setImmediate(() => session.destroy());
      await new Promise<void>((resolve) => stream.once('close', () => resolve()));
    }
    expect(await sum(1)).toEqual([3, 3]);
  });
});

test('a refusal whose words are not percent-encoded is still a refusal', async () => {
  const { createServer } = await import('node:http2');
  const server = createServer();
  server.on('stream', (stream) =>
    stream.respond({ ':status': 200, 'grpc-status': '10', 'grpc-message': '100 % wrong' }, { endStream: true }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  opened.push({ close: () => server.close() });
  const session = await openSession({ address: `127.0.0.1:${(server.address() as { port: number }).port}`, keepalive });
  const error = await new Promise<Error | undefined>((resolve) => {
    beginCall(session, '/maestro.v1.Collective/Pull', Buffer.alloc(0), { accepted: () => {}, ended: resolve }).resume();
  });
  session.destroy();
  expect(error?.message).toContain('100 % wrong');
});
