import { EventEmitter, once } from 'node:events';
import { connect as connectSocket, createServer, type Server as SocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { credentials, Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from '@jest/globals';
import { loadService, MaestroError } from '@maestro/protocol';
import { type Collective, type MemberState, openCollective, type PullStateOptions } from '../index.ts';
import { COLLECTIVE_SERVICE } from '../wire/service.ts';
import { openStateSource, type StateCall } from './serveState.ts';

const LENGTHS = [600_001, 3, 600_001];

const opened: { close: () => Promise<void> | void }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((resource) => resource.close()));
});

async function open(address = '127.0.0.1:0'): Promise<Collective> {
  const collective = await openCollective({ address });
  opened.push(collective);
  return collective;
}

/** Shared vectors; element i of vector v is a function of both. */
function stateAt(step: number, lengths: readonly number[] = LENGTHS): MemberState {
  const vectors = lengths.map((length, v) => {
    const vector = new Float32Array(new SharedArrayBuffer(4 * length));
    for (let i = 0; i < length; i++) vector[i] = i + v / 4;
    return vector;
  });
  return { step, vectors };
}

const blank = (lengths: readonly number[] = LENGTHS) => lengths.map((length) => new Float32Array(new SharedArrayBuffer(4 * length)));
const equal = (a: Float32Array, b: Float32Array) => a.length === b.length && a.every((value, i) => value === b[i]);
const asked = (address: string, options: Partial<PullStateOptions> = {}): PullStateOptions => ({
  job: 'job',
  generation: 2,
  member: { id: 'source', address },
  self: 'joiner',
  into: blank(),
  ...options,
});
const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: MaestroError) => error,
  );

/** A source that serves `state` as generation 2 of a job, and a joiner. */
async function pair(state = stateAt(7), address?: string) {
  const [source, joiner] = await Promise.all([open(address), open()]);
  let provided = 0;
  const stop = source.serveState({
    job: 'job',
    generation: 2,
    self: 'source',
    provide: async () => {
      provided++;
      return state;
    },
  });
  return { source, joiner, state, stop, provided: () => provided, address: source.address! };
}

describe('pullState', () => {
  test("brings a peer's vectors and step, of odd sizes, into shared memory", async () => {
    const { joiner, state, address } = await pair();
    const into = blank();
    const progress: number[] = [];
    const pulled = await joiner.pullState(asked(address, { into, onProgress: (bytes) => progress.push(bytes) }));
    const bytes = 4 * LENGTHS.reduce((sum, length) => sum + length, 0);
    expect(pulled).toMatchObject({ step: 7, bytes, hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(into.map((vector, v) => equal(vector, state.vectors[v] as Float32Array))).toEqual([true, true, true]);
    expect(progress.at(-1)).toBe(bytes);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  test('brings the ranges that were asked for, each as it is then, and tells why there are none', async () => {
    const [source, joiner] = await Promise.all([open(), open()]);
    const asks: unknown[] = [];
    let released = 0;
    source.serveState({
      job: 'job',
      generation: 2,
      self: 'source',
      provide: async (ranges) => {
        asks.push(ranges);
        const release = (): void => void released++;
        if (ranges.some(({ first }) => first > 1000)) throw new MaestroError('conflict', 'those moments are not here');
        return { step: 5, vectors: ranges.map(({ vector, first, length }) => new Float32Array(length).fill(vector + first)), release };
      },
    });
    const ranges = [
      { vector: 0, first: 8, length: 300_000 },
      { vector: 2, first: 0, length: 7 },
    ];
    for (let round = 0; round < 2; round++) {
      const into = blank([300_000, 7]);
      const pulled = await joiner.pullState(asked(source.address!, { ranges, into }));
      expect(pulled).toMatchObject({ step: 5, bytes: 4 * 300_007 });
      expect(into.map((vector) => new Set(vector))).toEqual([new Set([8]), new Set([2])]);
      expect(released).toBe(round + 1);
    }
    expect(asks).toEqual([ranges, ranges]);
    const refused = { ranges: [{ vector: 1, first: 2000, length: 1 }], into: blank([1]) };
    const error = await outcome(joiner.pullState(asked(source.address!, refused)));
    expect(error).toMatchObject({ code: 'conflict', message: expect.stringContaining('those moments are not here') });
  });

  test('serves several joiners at once, from one call of provide', async () => {
    const { joiner, state, address, provided } = await pair();
    const other = await open();
    const into = [blank(), blank(), blank()];
    const pulled = await Promise.all([
      joiner.pullState(asked(address, { into: into[0]! })),
      other.pullState(asked(address, { into: into[1]!, self: 'other' })),
      other.pullState(asked(address, { into: into[2]!, self: 'third' })),
    ]);
    const late = await joiner.pullState(asked(address));
    expect(new Set([...pulled, late].map(({ hash }) => hash)).size).toBe(1);
    for (const vectors of into) expect(vectors.every((vector, v) => equal(vector, state.vectors[v] as Float32Array))).toBe(true);
    expect(provided()).toBe(1);
  });

  test('works over a unix socket, and for a state of nothing', async () => {
    const path = `unix:${joinPath(tmpdir(), `maestro-state-${process.pid}.sock`)}`;
    const { joiner, address } = await pair({ step: 0, vectors: [new Float32Array(0)] }, path);
    expect(await joiner.pullState(asked(address, { into: [new Float32Array(0)] }))).toMatchObject({ step: 0, bytes: 0 });
  });

  test('is answered when its view is served later', async () => {
    const [{ states, address, arrived }, joiner] = await Promise.all([watchedSource(), open()]);
    const pulled = joiner.pullState(asked(address));
    await arrived;
    states.serve({ job: 'job', generation: 1, self: 'source', provide: async () => stateAt(100) });
    states.serve({ job: 'job', generation: 2, self: 'source', provide: async () => stateAt(200) });
    expect(await pulled).toMatchObject({ step: 200 });
  });

  test('rejects with the reason of provide', async () => {
    const [source, joiner] = await Promise.all([open(), open()]);
    const provide = async () => {
      throw new MaestroError('device-unavailable', 'the compute thread is gone');
    };
    source.serveState({ job: 'job', generation: 2, self: 'source', provide });
    for (let i = 0; i < 2; i++) {
      expect(await outcome(joiner.pullState(asked(source.address!)))).toMatchObject({
        code: 'device-unavailable',
        message: expect.stringContaining('the compute thread is gone'),
        details: { member: 'source' },
      });
    }
  });

  test('rejects with the reason of its signal: before, while it waits, and while bytes come', async () => {
    const { joiner, address } = await pair();
    const reason = new MaestroError('cancelled', 'the job was cancelled');
    await expect(joiner.pullState(asked(address, { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);
    const stop = new AbortController();
    const waiting = outcome(joiner.pullState(asked(address, { generation: 3, signal: stop.signal })));
    await joiner.pullState(asked(address));
    stop.abort(reason);
    expect(await waiting).toBe(reason);
    const midway = new AbortController();
    const seen: number[] = [];
    const onProgress = (bytes: number) => {
      seen.push(bytes);
      midway.abort(reason);
    };
    await expect(joiner.pullState(asked(address, { signal: midway.signal, onProgress }))).rejects.toBe(reason);
    expect(seen).toEqual([1 << 20]);
    expect(await joiner.pullState(asked(address))).toMatchObject({ step: 7 });
  });

  test('ends when its own collective is closed', async () => {
    const { joiner, address } = await pair();
    const { signal } = new AbortController();
    const error = await outcome(joiner.pullState(asked(address, { signal, onProgress: () => void joiner.close() })));
    expect(error).toMatchObject({ code: 'cancelled', message: 'pullState: the collective is closed' });
  });

  test.each([
    ['conflict', 'a generation that is over', { generation: 1 }, 'no longer serves that view'],
    ['conflict', 'a peer of another name', { member: 'someone' }, 'this worker is source'],
    ['protocol-violation', 'vectors of other lengths', { into: blank([600_001, 4, 600_001]) }, 'due are those of vector 1 from 3'],
    ['protocol-violation', 'fewer vectors', { into: blank([600_001, 3]) }, 'due is the end'],
    ['timeout', 'a view that nobody serves', { generation: 3, idleTimeoutMs: 100 }, 'received nothing for 100 ms'],
  ])(
    'rejects with %s for %s',
    async (code, _, { member = 'source', ...options }: Partial<Omit<PullStateOptions, 'member'>> & { member?: string }, message) => {
      const { joiner, address } = await pair();
      const error = await outcome(joiner.pullState(asked(address, { member: { id: member, address }, ...options })));
      expect(error).toMatchObject({ code, message: expect.stringContaining(message), details: { member } });
    },
  );

  test('rejects with unavailable when nobody listens at the address', async () => {
    const [gone, joiner] = await Promise.all([open(), open()]);
    await gone.close();
    expect(await outcome(joiner.pullState(asked(gone.address!)))).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
      details: { member: 'source' },
    });
  });

  test('notices a byte that changed on the way', async () => {
    const state = stateAt(1);
    for (const vector of state.vectors) (vector as Float32Array).fill(1.5);
    const { joiner, address } = await pair(state);
    const through = await flippingProxy(address, Buffer.from(Float32Array.of(1.5, 1.5, 1.5, 1.5).buffer));
    expect(await outcome(joiner.pullState(asked(through)))).toMatchObject({
      code: 'protocol-violation',
      message: expect.stringMatching(/the elements of vector \d from \d+ are damaged: CRC-32/),
      details: { member: 'source' },
    });
  });
});

describe('serveState', () => {
  test('ends pulls in progress when it is stopped, and refuses later ones', async () => {
    const { joiner, address, stop } = await pair();
    const refused = { code: 'conflict', message: expect.stringContaining('no longer serves that view') };
    expect(await outcome(joiner.pullState(asked(address, { onProgress: stop })))).toMatchObject(refused);
    expect(await outcome(joiner.pullState(asked(address)))).toMatchObject(refused);
  });

  test('of a later view ends that of an earlier one, which cannot be served again', async () => {
    const { source, joiner, address, stop } = await pair();
    const provide = async () => stateAt(8);
    source.serveState({ job: 'job', generation: 3, self: 'source', provide });
    stop();
    expect(await outcome(joiner.pullState(asked(address)))).toMatchObject({ code: 'conflict' });
    expect(await joiner.pullState(asked(address, { generation: 3 }))).toMatchObject({ step: 8 });
    expect(() => source.serveState({ job: 'job', generation: 3, self: 'source', provide })).toThrow(
      'generation 3 of job job is over at source',
    );
  });

  test('is refused for a view before the one that the member has joined', async () => {
    const [source, joiner] = await Promise.all([open(), open()]);
    const self = { id: 'source', address: source.address!, firstRank: 0, ranks: 1 };
    const vectors = { partials: [new Float32Array(8)], reduced: new Float32Array(8) };
    await source.join({ job: 'job', generation: 3, members: [self], self: 'source', ...vectors });
    expect(await outcome(joiner.pullState(asked(source.address!)))).toMatchObject({ code: 'conflict' });
  });

  test('tells pullers when the member leaves', async () => {
    const { source, joiner, address } = await pair();
    const pulling = outcome(joiner.pullState(asked(address, { onProgress: () => void source.close() })));
    expect(await pulling).toMatchObject({ code: 'peer-lost', details: { member: 'source' } });
    const early = await watchedSource();
    const waiting = outcome(joiner.pullState(asked(early.address)));
    await early.arrived;
    early.states.close();
    expect(await waiting).toMatchObject({ code: 'peer-lost', message: expect.stringContaining('this worker leaves') });
  });

  test('lets requests of views to come wait for a bounded time', async () => {
    const [{ address }, joiner] = await Promise.all([watchedSource({ earlyWaitMs: 100 }), open()]);
    expect(await outcome(joiner.pullState(asked(address)))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('this worker did not serve that view within 100 ms'),
    });
  });

  test('lets a bounded number of them wait', async () => {
    const [{ states, address }, joiner] = await Promise.all([watchedSource(), open()]);
    const into = blank();
    const pulls = Array.from({ length: 65 }, () => outcome(joiner.pullState(asked(address, { into }))));
    expect(await Promise.race(pulls)).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('64 requests are already waiting'),
    });
    states.close();
    const codes = (await Promise.all(pulls)).map((error) => error!.code);
    expect(codes.filter((code) => code === 'peer-lost')).toHaveLength(64);
  });
});

/** A gRPC server with the service, as this package has it. */
async function listen(handlers: object, service: object = COLLECTIVE_SERVICE): Promise<string> {
  const server = new Server();
  server.addService(service as typeof COLLECTIVE_SERVICE, handlers as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, number) => (error ? reject(error) : resolve(number))),
  );
  opened.push({ close: () => server.forceShutdown() });
  return `127.0.0.1:${port}`;
}

/** A source that tells when the first request has come. */
async function watchedSource(options: { readonly earlyWaitMs?: number } = {}) {
  const states = openStateSource({ isOver: () => false, ...options });
  const arrivals = new EventEmitter();
  const arrived = once(arrivals, 'request');
  const address = await listen({
    PullState: (call: StateCall) => {
      states.admit(call);
      arrivals.emit('request');
    },
  });
  return { states, address, arrived };
}

/** Passes bytes on in both directions, but for one in the middle of the first `run` that comes from `address`. */
async function flippingProxy(address: string, run: Buffer): Promise<string> {
  let isFlipped = false;
  const proxy: SocketServer = createServer((inner) => {
    const outer = connectSocket(Number(address.split(':')[1]), '127.0.0.1');
    inner.pipe(outer);
    outer.on('data', (bytes) => {
      const at = isFlipped ? -1 : bytes.indexOf(run);
      if (at >= 0) {
        bytes[at + 7]! ^= 0x10;
        isFlipped = true;
      }
      inner.write(bytes);
    });
    outer.on('end', () => inner.end());
    for (const socket of [inner, outer]) {
      socket.on('error', () => {
        inner.destroy();
        outer.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  opened.push({ close: () => void proxy.close() });
  return `127.0.0.1:${(proxy.address() as { port: number }).port}`;
}

describe('a peer of any make', () => {
  const Service = loadService('collective.proto', 'Collective');

  test('pulls a state with nothing but the .proto file', async () => {
    const { address, state } = await pair();
    const client = new Service(address, credentials.createInsecure());
    opened.push({ close: () => client.close() });
    const request = { job: 'job', generation: 2, member: 'foreign', target: 'source' };
    const call = (client as unknown as { PullState: (message: object) => AsyncIterable<Record<string, unknown>> }).PullState(request);
    const payloads: Buffer[] = [];
    let end: unknown;
    for await (const message of call) {
      payloads.push(message.payload as Buffer);
      end = message.end;
    }
    const sent = state.vectors.map((vector) => Buffer.from((vector as Float32Array).buffer as ArrayBuffer));
    expect(Buffer.concat(payloads).equals(Buffer.concat(sent))).toBe(true);
    expect(end).toMatchObject({ step: 7, lengths: LENGTHS });
  });

  test('serves a state with nothing but the .proto file; a stream without its end is refused', async () => {
    const payload = Buffer.from(Float32Array.of(1, 2, 3).buffer);
    const sha256 = Buffer.from('8e628779e6a74ee0b36991c10158f63cafec7d340ad4e075592502c8708524dd', 'hex');
    const messages = [{ crc32: 0xb20e96b1, payload }, { end: { step: 9, sha256, lengths: [3] } }];
    const PullState = (call: ServerWritableStream<{ generation: number }, object>) => {
      for (const message of messages.slice(0, call.request.generation)) call.write(message);
      call.end();
    };
    const address = await listen({ PullState }, Service.service);
    const joiner = await open();
    const into = [new Float32Array(3)];
    expect(await joiner.pullState(asked(address, { into }))).toMatchObject({ step: 9, hash: sha256.toString('hex') });
    expect([...into[0]!]).toEqual([1, 2, 3]);
    expect(await outcome(joiner.pullState(asked(address, { into, generation: 1 })))).toMatchObject({
      code: 'protocol-violation',
      message: expect.stringContaining('the stream ended without its end, after 12 bytes'),
    });
  });
});
