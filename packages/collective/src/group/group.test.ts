import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect as connectSocket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { credentials, Server, ServerCredentials, type ServerWritableStream, type ServiceClientConstructor } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from '@jest/globals';
import { SUM_SQUARES_BLOCK } from '@maestro/kernels';
import { loadService, MaestroError } from '@maestro/protocol';
import {
  type Collective,
  type CollectiveOptions,
  type Group,
  type GroupMember,
  type JoinOptions,
  openCollective,
  planReduce,
} from '../index.ts';
import { openMessageReader } from '../wire/messageReader.ts';
import { COLLECTIVE_SERVICE, MOST_FRAME_BYTES, type PullRequest } from '../wire/service.ts';
import { beginCall } from './beginCall.ts';
import { MEMBER_SETTING } from './memberServer.ts';

const LENGTH = 9 * SUM_SQUARES_BLOCK + 40;

const opened: { close: () => Promise<void> | void }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((resource) => resource.close()));
});

async function open(address = '127.0.0.1:0', options: Partial<CollectiveOptions> = {}): Promise<Collective> {
  const collective = await openCollective({ address, ...options });
  opened.push(collective);
  return collective;
}

/** What a member brings; every element of its partials is its firstRank + 1. */
function part(self: GroupMember, members: readonly GroupMember[], options: Partial<JoinOptions> = {}): JoinOptions {
  const partials = [0, 1, 2, 3].map(() => new Float32Array(LENGTH).fill(self.firstRank + 1));
  return { job: 'job', generation: 1, members, self: self.id, partials, reduced: new Float32Array(LENGTH), scalarsPerRank: 1, ...options };
}

function membersAt(collectives: readonly Collective[], ranks = 1): GroupMember[] {
  return collectives.map(({ address }, i) => ({ id: `worker-${i}`, address: address!, firstRank: i * ranks, ranks }));
}

/** Opens and joins `count` members in this process, over real sockets. */
async function group(count: number, options: Partial<JoinOptions> = {}) {
  const collectives = await Promise.all(Array.from({ length: count }, () => open()));
  const members = membersAt(collectives);
  const parts = members.map((member) => part(member, members, options));
  const groups = await Promise.all(collectives.map((collective, i) => collective.join(parts[i]!)));
  return { collectives, members, parts, groups };
}

const step = (of: Group, number: number, scalar = 0) => of.allReduce({ step: number, scalars: Float64Array.of(scalar) });
const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: MaestroError) => error,
  );

describe('allReduce', () => {
  test('gives every member the sum, the scalars of all and the norm', async () => {
    const { groups, parts } = await group(3);
    for (const number of [7, 8]) {
      const results = await Promise.all(groups.map((member, i) => step(member, number, number * 10 + i)));
      for (const [i, { scalars, sumSquares, finite, blockSumSquares }] of results.entries()) {
        expect([...scalars]).toEqual([number * 10, number * 10 + 1, number * 10 + 2]);
        expect(sumSquares).toBe(36 * LENGTH);
        expect(blockSumSquares[9]).toBe(36 * 40);
        expect(finite).toBe(true);
        expect((parts[i]!.reduced as Float32Array).every((value) => value === 6)).toBe(true);
      }
    }
  });

  test('tells who came last, and for how long the others waited', async () => {
    const { groups } = await group(3);
    await Promise.all(groups.map((member) => step(member, 1)));
    const startedMs = performance.now();
    const early = [step(groups[0]!, 2), step(groups[1]!, 2)];
    const late = Promise.resolve()
      .then(() => new Promise((resolve) => setTimeout(resolve, 60)))
      .then(() => step(groups[2]!, 2));
    await Promise.all([...early, late]);
    const seconds = (performance.now() - startedMs) / 1000;
    const [first, , last] = groups.map(({ times }) => times);
    expect(first!.wait).toBeGreaterThan(0.04);
    expect(last!.wait).toBeLessThan(first!.wait / 2);
    expect(last!.lag).toBeGreaterThan(0.04);
    for (const { times } of groups) expect(times.wait + times.reduceScatter + times.allGather).toBeLessThanOrEqual(seconds);
    const total = (bytes: (member: Group) => number) => groups.reduce((sum, member) => sum + bytes(member), 0);
    expect(total(({ receivedBytes }) => receivedBytes)).toBe(total(({ sentBytes }) => sentBytes));
  });

  test('as bfloat16 gives every member the rounded sum and the norm of it, for half the bytes of the all-gather', async () => {
    // Odd, so that the last piece ends within a word.
    const length = 9 * SUM_SQUARES_BLOCK + 41;
    // The mean of two neighbours in bfloat16 at an even and at an odd place: ties go to the even one.
    const sums = [1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -Math.PI];
    const rounded = [1, 1 + 2 ** -6, 1 + 2 ** -7, -3.140625];
    const vectors = { partials: [Float32Array.from({ length }, (_, i) => sums[i % 4]! / 2)], reduced: new Float32Array(length) };
    const bytes: number[] = [];
    for (const allGather of ['f32', 'bf16'] as const) {
      const collectives = await Promise.all([open(), open()]);
      const members = membersAt(collectives);
      const reduced = members.map(() => new Float32Array(length));
      const groups = await Promise.all(
        collectives.map((collective, i) => collective.join(part(members[i]!, members, { ...vectors, reduced: reduced[i]!, allGather }))),
      );
      const results = await Promise.all(groups.map((member) => step(member, 1)));
      bytes.push(groups[0]!.sentBytes);
      if (allGather === 'f32') continue;
      for (const vector of reduced) expect(vector.every((value, i) => value === rounded[i % 4])).toBe(true);
      let square = 0;
      for (let i = 0; i < length; i++) square += rounded[i % 4]! ** 2;
      for (const { sumSquares } of results) expect(sumSquares).toBeCloseTo(square, 3);
    }
    expect(bytes[0]! - bytes[1]!).toBeGreaterThan(4 * SUM_SQUARES_BLOCK * 2 - 100);
    expect(bytes[1]! / bytes[0]!).toBeLessThan(0.78);
  });

  test('members that gather the sum differently refuse each other', async () => {
    const collectives = await Promise.all([open(), open()]);
    const members = membersAt(collectives);
    const joins = collectives.map((collective, i) =>
      collective.join(part(members[i]!, members, { allGather: i === 0 ? 'f32' : 'bf16', joinTimeoutMs: 2000 })),
    );
    const errors = await Promise.all(joins.map(outcome));
    expect(errors.map((error) => error?.code)).toContain('conflict');
  });

  test('leaves the partials as they are, so that a step can be done again', async () => {
    const { groups, parts } = await group(2);
    await Promise.all(groups.map((member) => step(member, 1)));
    for (const [i, { partials }] of parts.entries()) expect((partials[0] as Float32Array).every((value) => value === i + 1)).toBe(true);
  });

  test('in two rounds leaves each chunk with its owner, and then gives all what the owners made of it', async () => {
    const { groups, parts } = await group(3);
    for (const number of [7, 8]) {
      const results = await Promise.all(
        groups.map((member, i) => member.reduceScatter({ step: number, scalars: Float64Array.of(10 * number + i) })),
      );
      for (const [i, { scalars, sumSquares }] of results.entries()) {
        expect([...scalars]).toEqual([10 * number, 10 * number + 1, 10 * number + 2]);
        expect(sumSquares).toBe(36 * LENGTH);
        const { first, length } = groups[i]!.chunk;
        const own = (parts[i]!.reduced as Float32Array).subarray(first, first + length);
        expect(own.every((value) => value === 6)).toBe(true);
        own.fill(100 * number + i);
      }
      await Promise.all(groups.map((member) => member.gather({ step: number })));
      const expected = new Float32Array(LENGTH);
      for (const [i, { chunk }] of groups.entries()) expected.fill(100 * number + i, chunk.first, chunk.first + chunk.length);
      for (const { reduced } of parts) expect((reduced as Float32Array).every((value, i) => value === expected[i])).toBe(true);
    }
    // Twice to the second member alone, as moments are for a checkpoint; a member that is not asked keeps what it has.
    for (const value of [1, 2]) {
      for (const [i, { chunk }] of groups.entries()) {
        (parts[i]!.reduced as Float32Array).fill(0).fill(value, chunk.first, chunk.first + chunk.length);
      }
      await Promise.all(groups.map((member) => member.gather({ step: 8, root: 1 })));
      expect((parts[1]!.reduced as Float32Array).every((each) => each === value)).toBe(true);
      expect((parts[0]!.reduced as Float32Array).at(-1)).toBe(0);
    }
    expect((await Promise.all(groups.map((member) => step(member, 9)))).map(({ finite }) => finite)).toEqual([true, true, true]);
    expect(parts.every(({ reduced }) => (reduced as Float32Array).every((value) => value === 6))).toBe(true);
  });

  test('tells every member of an element that is not finite', async () => {
    const { groups, parts } = await group(3);
    (parts[1]!.partials[0] as Float32Array)[LENGTH - 1] = Number.POSITIVE_INFINITY;
    const results = await Promise.all(groups.map((member) => step(member, 1)));
    expect(results.map(({ finite }) => finite)).toEqual([false, false, false]);
  });

  test('of one member needs no address and no sockets', async () => {
    const alone = await openCollective();
    const self = { id: 'worker-0', address: '', firstRank: 0, ranks: 1 };
    const options = part(self, [self]);
    const only = await alone.join(options);
    const { sumSquares, scalars } = await step(only, 1, 5);
    expect([sumSquares, scalars[0]]).toEqual([LENGTH, 5]);
    expect((options.reduced as Float32Array).every((value) => value === 1)).toBe(true);
    await alone.close();
  });

  test('works over unix sockets', async () => {
    const path = (i: number) => `unix:${joinPath(tmpdir(), `maestro-collective-${process.pid}-${i}.sock`)}`;
    const collectives = await Promise.all([open(path(0)), open(path(1))]);
    const members = membersAt(collectives);
    const groups = await Promise.all(members.map((member, i) => collectives[i]!.join(part(member, members))));
    const results = await Promise.all(groups.map((one) => step(one, 1)));
    expect(results.map(({ sumSquares }) => sumSquares)).toEqual([9 * LENGTH, 9 * LENGTH]);
  });

  test('refuses a second step before the first has ended, and scalars of the wrong number', async () => {
    const { groups } = await group(2);
    const first = step(groups[0]!, 1);
    await expect(step(groups[0]!, 2)).rejects.toThrow('step 1 has not ended');
    await expect(groups[1]!.allReduce({ step: 1, scalars: new Float64Array(2) })).rejects.toThrow(
      'expected 1 scalars for each of 1 virtual ranks, found 2',
    );
    await step(groups[1]!, 1);
    await first;
  });
});

describe('failure', () => {
  test('an abort rejects all members at once, with its code, naming who aborted', async () => {
    const { groups } = await group(3);
    const waiting = [outcome(step(groups[0]!, 4)), outcome(step(groups[1]!, 4))];
    groups[0]!.abort(new MaestroError('non-finite', 'the loss is not finite'));
    const [own, peer] = await Promise.all(waiting);
    expect(own).toMatchObject({ code: 'non-finite', message: 'the loss is not finite' });
    expect(peer).toMatchObject({ code: 'non-finite', message: 'the loss is not finite (reported by worker-0)' });
    expect(groups.slice(0, 2).map(({ signal }) => signal.aborted)).toEqual([true, true]);
    await expect(step(groups[0]!, 5)).rejects.toBe(own);
  });

  test('members at different steps refuse each other, naming both steps', async () => {
    const { groups } = await group(2);
    const errors = await Promise.all([outcome(step(groups[0]!, 4)), outcome(step(groups[1]!, 5))]);
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'protocol-violation' });
      expect(error!.message).toMatch(/worker-\d is at step \d in allReduce, this member at step \d in allReduce \(generation 1\)/);
    }
  });

  test('a member that leaves is missed at the next step', async () => {
    const { groups } = await group(2);
    await Promise.all(groups.map((member) => step(member, 1)));
    await groups[1]!.close();
    expect(await outcome(step(groups[0]!, 2))).toMatchObject({ code: 'peer-lost', details: { member: 'worker-1', step: 2 } });
  });

  test('a step that takes too long names whom it waits for, and at what', async () => {
    const { groups } = await group(2, { stepTimeoutMs: 300 });
    const late = step(groups[0]!, 3);
    expect(groups[0]!.waiting()).toEqual([{ member: 'worker-1', phase: 'reduce-scatter', done: 0, due: 2 }]);
    expect(await outcome(late)).toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('waiting for worker-1 at reduce-scatter (0 of 2 messages) (step 3, generation 1)'),
    });
  });
});

/** A TCP proxy before `address` that changes byte `at` of what the server says on the connection that carries most. */
async function flippingProxy(address: string, at: number): Promise<string> {
  const proxy = createServer((client) => {
    const { hostname, port } = new URL(`http://${address}`);
    const server = connectSocket(Number(port), hostname);
    let passed = 0;
    client.pipe(server);
    server.on('data', (bytes: Buffer) => {
      if (passed <= at && at < passed + bytes.length) bytes[at - passed]! ^= 1;
      passed += bytes.length;
      client.write(bytes);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => {});
      one.once('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  opened.push({ close: () => void proxy.close() });
  return `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

describe('integrity', () => {
  const flipped = async (checksums: boolean) => {
    const collectives = await Promise.all([open(), open('127.0.0.1:0', { checksums })]);
    const members = membersAt(collectives);
    const seen = [members[0]!, { ...members[1]!, address: await flippingProxy(members[1]!.address, 500_001) }];
    const parts = [part(members[0]!, seen), part(members[1]!, members)];
    const groups = await Promise.all(parts.map((one, i) => collectives[i]!.join(one)));
    return { outcomes: await Promise.all(groups.map((one) => outcome(step(one, 6)))), parts };
  };

  test('one bit that changed on its way fails the receiver, naming peer, step and message, and then the peer', async () => {
    const [receiver, sender] = (await flipped(true)).outcomes;
    expect(receiver).toMatchObject({ code: 'protocol-violation', details: { member: 'worker-1', step: 6, corrupt: true } });
    expect(receiver!.message).toMatch(
      /^allReduce: from worker-1 \(step 6, generation 1\): partial of step 6, first element 0, 1048576 bytes: checksum \w+, its sender's is \w+$/,
    );
    expect(sender).toMatchObject({ code: 'protocol-violation', message: expect.stringContaining('(reported by worker-0)') });
  });

  test('without checksums it changes the sum', async () => {
    const { outcomes, parts } = await flipped(false);
    expect(outcomes).toEqual([undefined, undefined]);
    expect((parts[0]!.reduced as Float32Array).filter((value) => value !== 3)).toHaveLength(1);
  });
});

describe('join', () => {
  test('waits for members that come late, and names those that do not come', async () => {
    const collectives = await Promise.all([open(), open(), open()]);
    const members = membersAt(collectives);
    const joined = members.slice(0, 2).map((member, i) => outcome(collectives[i]!.join(part(member, members, { joinTimeoutMs: 3000 }))));
    for (const error of await Promise.all(joined)) {
      expect(error).toMatchObject({ code: 'timeout', details: { members: ['worker-2'] } });
    }
    const again = members.map((member, i) => collectives[i]!.join(part(member, members, { generation: 2 })));
    expect(await Promise.all(again)).toHaveLength(3);
  });

  test('refuses a view that is over, and a peer that planned otherwise', async () => {
    const { collectives, members } = await group(2, { generation: 5 });
    await expect(collectives[0]!.join(part(members[0]!, members, { generation: 5 }))).rejects.toThrow('generation 5 of job job has ended');
    const other = [members[0]!, { ...members[1]!, ranks: 2 }];
    const joined = [
      outcome(collectives[0]!.join(part(members[0]!, members, { generation: 6 }))),
      outcome(collectives[1]!.join(part(members[1]!, other, { generation: 6, scalarsPerRank: 0, partials: [new Float32Array(LENGTH)] }))),
    ];
    for (const error of await Promise.all(joined)) expect(error!.message).toContain('it planned with other members');
  });

  test('ends when its signal is aborted', async () => {
    const collective = await open();
    const members = [...membersAt([collective]), { id: 'worker-1', address: '127.0.0.1:9', firstRank: 1, ranks: 1 }];
    const stop = new AbortController();
    const joined = outcome(collective.join(part(members[0]!, members, { signal: stop.signal })));
    stop.abort(new MaestroError('cancelled', 'the job was cancelled'));
    expect(await joined).toMatchObject({ code: 'cancelled', message: 'the job was cancelled' });
  });
});

/** Pulls as a member does, but reads with node:http2, which checks every frame and window, and with a protobuf library. */
function pullByHttp2(address: string, request: PullRequest, take: (message: Record<string, unknown>) => void): void {
  const session = connectHttp2(`http://${address}`, {
    settings: { initialWindowSize: 2 * MOST_FRAME_BYTES, maxFrameSize: MOST_FRAME_BYTES, customSettings: { [MEMBER_SETTING]: 1 } },
  });
  session.on('error', () => {});
  opened.push({ close: () => session.destroy() });
  const { responseDeserialize } = (loadService('collective.proto', 'Collective') as ServiceClientConstructor).service.Pull!;
  const reader = openMessageReader(MOST_FRAME_BYTES, (bytes) => {
    take(responseDeserialize(Buffer.from(bytes)) as Record<string, unknown>);
    return true;
  });
  session.once('connect', () => {
    session.setLocalWindowSize(2 * MOST_FRAME_BYTES);
    const { path, requestSerialize } = COLLECTIVE_SERVICE.Pull;
    const stream = beginCall(session, path, requestSerialize(request), { accepted: () => {}, ended: () => {} });
    stream.on('data', (bytes: Buffer) => reader.push(bytes));
  });
}

/** A peer of any make: a plain gRPC server of the .proto file, whose messages the test writes by hand. */
async function foreignPeer(messages: (generation: number) => readonly object[], end: boolean, announce: 'nothing' | 'member' = 'nothing') {
  const Service: ServiceClientConstructor = loadService('collective.proto', 'Collective');
  const server = new Server();
  server.addService(Service.service, {
    Pull: (call: ServerWritableStream<{ generation: number }, object>) => {
      for (const message of messages(call.request.generation)) call.write(message);
      if (end) call.end();
    },
    Abort: (_: unknown, reply: (error: null, message: object) => void) => reply(null, {}),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, number) => (error ? reject(error) : resolve(number))),
  );
  opened.push({ close: () => server.forceShutdown() });
  const collective = await open();
  const members = [
    { id: 'worker-0', address: collective.address!, firstRank: 0, ranks: 1 },
    { id: 'foreign', address: `127.0.0.1:${port}`, firstRank: 1, ranks: 1 },
  ];
  const { digest } = planReduce({ members, length: LENGTH, blockSize: SUM_SQUARES_BLOCK });
  const request = { job: 'job', generation: 1, member: 'foreign', target: 'worker-0', plan: digest };
  const received: Record<string, unknown>[] = [];
  if (announce === 'member') pullByHttp2(collective.address!, request, (message) => received.push(message));
  else {
    const client = new Service(collective.address!, credentials.createInsecure());
    opened.push({ close: () => client.close() });
    const pull = (client as unknown as { Pull: (message: object) => NodeJS.ReadableStream }).Pull(request);
    pull.on('data', (message) => received.push(message)).on('error', () => {});
  }
  return { joined: collective.join(part(members[0]!, members)), received };
}

describe('a peer of any make', () => {
  const floats = (count: number, value: number) => Buffer.from(new Float32Array(count).fill(value).buffer);
  const PIECE = 4 * SUM_SQUARES_BLOCK;

  test.each(['nothing', 'member'] as const)('may take part with nothing but the .proto file, announcing %s', async (announce) => {
    // Two members, nine blocks and a short one: the first owns five blocks, two pieces; the other owns the rest, two pieces.
    const { joined, received } = await foreignPeer(
      (generation) => [
        { generation: generation - 1, step: 3, kind: 1, values: [99] },
        { generation, step: 4, kind: 1, values: [11] },
        { generation, step: 4, kind: 2, slot: 1, first: 0, payload: floats(PIECE, 2) },
        { generation, step: 4, kind: 2, slot: 1, first: PIECE, payload: floats(SUM_SQUARES_BLOCK, 2) },
      ],
      false,
      announce,
    );
    const member = await joined;
    const pending = outcome(step(member, 4, 10));
    const deadline = Date.now() + 10_000;
    while (received.length < 5 && Date.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
    expect(received.map(({ kind }) => kind).sort()).toEqual([
      'CHUNK_KIND_PARTIAL',
      'CHUNK_KIND_PARTIAL',
      'CHUNK_KIND_REDUCED',
      'CHUNK_KIND_REDUCED',
      'CHUNK_KIND_SCALARS',
    ]);
    const reduced = received.find(({ kind }) => kind === 'CHUNK_KIND_REDUCED') as { payload: Buffer; values: number[] };
    expect(reduced.payload.readFloatLE(0)).toBe(3);
    expect(reduced.values).toEqual(new Array(4).fill(9 * SUM_SQUARES_BLOCK));
    expect(member.waiting()).toEqual([{ member: 'foreign', phase: 'all-gather', done: 0, due: 2 }]);
    member.abort(new MaestroError('cancelled', 'enough'));
    expect(await pending).toMatchObject({ code: 'cancelled' });
  });

  test.each([
    ['a partial before its scalars', [{ kind: 2, slot: 1, payload: floats(PIECE, 1) }]],
    [
      'another slot',
      [
        { kind: 1, values: [0] },
        { kind: 2, slot: 0, payload: floats(PIECE, 1) },
      ],
    ],
    [
      'part of a piece',
      [
        { kind: 1, values: [0] },
        { kind: 2, slot: 1, payload: floats(8, 1) },
      ],
    ],
    [
      'another place',
      [
        { kind: 1, values: [0] },
        { kind: 2, slot: 1, first: 8, payload: floats(PIECE, 1) },
      ],
    ],
    ['too many scalars', [{ kind: 1, values: [0, 1] }]],
    ['a kind that does not exist', [{ kind: 7 }]],
  ])('is refused when it sends %s', async (_, messages) => {
    const { joined } = await foreignPeer((generation) => messages.map((message) => ({ generation, step: 4, ...message })), false);
    const error = await outcome(joined.then((member) => step(member, 4)));
    expect(error).toMatchObject({ code: 'protocol-violation', details: { member: 'foreign' } });
  });

  test('is lost when it ends its stream with fewer chunks than are due', async () => {
    const { joined } = await foreignPeer((generation) => [{ generation, step: 4, kind: 1, values: [0] }], true);
    const error = await outcome(joined.then((member) => step(member, 4)));
    expect(error).toMatchObject({
      code: 'peer-lost',
      details: { member: 'foreign', phase: 'reduce-scatter' },
      message: 'allReduce: lost foreign in reduce-scatter (step 4, generation 1): it left',
    });
  });
});
