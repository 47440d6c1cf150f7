import { connect } from 'node:net';
import { Client, credentials, Metadata, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { loadService } from '@maestro/protocol';
import type { Dice } from './dice.ts';
import { HOSTILE_TEXTS } from './schemaValues.ts';

/** How a call ended: the name of its status. */
export type GrpcOutcome = keyof typeof status;

/** Sends calls to a coordinator. */
export interface GrpcFuzzer {
  /** A call with a hostile message, a hostile token, raw bytes or a method that is not there. Resolves with its status. */
  send(dice: Dice): Promise<{ readonly what: string; readonly outcome: GrpcOutcome; readonly details: string }>;
  close(): void;
}

type AnyMethod = MethodDefinition<object, object>;
const DEADLINE_MS = 10_000;
const STREAM_MS = 200;

/** Opens channels to the gRPC server at `address`. */
export function openGrpcFuzzer(address: string, { token, jobId }: { readonly token: string; readonly jobId: string }): GrpcFuzzer {
  const channel = new Client(address, credentials.createInsecure());
  const methods = [loadService('jobs.proto', 'Jobs'), loadService('coordinator.proto', 'Coordinator')].flatMap((service) =>
    Object.values(service.service as unknown as Record<string, AnyMethod>),
  );

  const message = (dice: Dice): Record<string, unknown> => {
    const text = (): string => (dice.oneIn(3) ? jobId : dice.pick(HOSTILE_TEXTS));
    const number = (): number => dice.pick([0, 1, 200, 201, 4294967295]);
    return {
      id: text(),
      name: text(),
      cursor: dice.oneIn(2) ? '' : text(),
      limit: number(),
      state: dice.oneIn(2) ? '' : text(),
      specJson: dice.pick([
        ...HOSTILE_TEXTS,
        '{}',
        '[]',
        '{"data":{"format":"idx","path":"../../etc"},"schedule":{"steps":1}}',
        '['.repeat(20_000),
      ]),
      idempotencyKey: text(),
      worker: text(),
      level: text(),
      search: text(),
      from: text(),
      to: text(),
      hello: {
        name: text(),
        id: text(),
        address: text(),
        device: text(),
        threads: number(),
        pid: number(),
        host: text(),
        buildJson: text(),
        incarnation: 0,
      },
    };
  };

  const send: GrpcFuzzer['send'] = (dice) =>
    new Promise((resolve) => {
      const method = dice.pick(methods.filter(({ path }) => !path.endsWith('/DrainWorker')));
      const metadata = new Metadata();
      metadata.set('authorization', `Bearer ${token}`);
      const path = dice.oneIn(20)
        ? dice.pick([
            '/maestro.v1.Jobs/Nope',
            '/x',
            '/grpc.health.v1.Health/Check',
            '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
          ])
        : method.path;
      const isRaw = dice.oneIn(4);
      const serialize = (value: object): Buffer =>
        isRaw ? Buffer.from(Array.from({ length: dice.whole(200) }, () => dice.whole(256))) : method.requestSerialize(value);
      let details = '';
      const finish = (code: number): void => {
        clearTimeout(timer);
        resolve({ what: path, outcome: status[code] as GrpcOutcome, details });
      };
      const call = channel.makeBidiStreamRequest(path, serialize, (bytes: Buffer) => bytes as unknown as object, metadata, {
        deadline: Date.now() + DEADLINE_MS,
      });
      // Streams that go on are left after a while, as clients do.
      const timer = setTimeout(() => call.cancel(), method.responseStream ? STREAM_MS : DEADLINE_MS);
      call.on('data', () => undefined);
      call.on('error', (error: ServiceError) => {
        details = error.details;
      });
      call.on('status', ({ code }) => finish(code));
      call.write(message(dice));
      call.end();
    });
  return { send, close: () => channel.close() };
}

/** Sends bytes that are no request, and hangs up. Resolves when the other side has answered or closed. */
export function sendGarbage(address: string, dice: Dice): Promise<void> {
  const [host, port] = address.split(':');
  const garbage = dice.pick([
    Buffer.from(Array.from({ length: 500 }, () => dice.whole(256))),
    Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n'),
    Buffer.from('GET / HTTP/9.9\r\n\r\n'),
    Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(5000)}\r\n`),
    Buffer.from('POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000\u0000\u0004\u0001\u0000\u0000\u0000\u0000'),
  ]);
  return new Promise((resolve) => {
    const socket = connect({ host: host!, port: Number(port) }, () => socket.end(garbage));
    const timer = setTimeout(() => socket.destroy(), 500);
    socket.on('data', () => undefined);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
