import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type Client,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { loadProtos } from '@maestro/protocol';
import { smallJob } from '../support/cluster/smallJob.ts';

const TIMEOUT_MS = 300_000;

let dir: string;
let cluster: Cluster;
let jobs: GenericClient;

/** A client that knows no more than what the server told it. */
interface GenericClient extends Client {
  readonly [method: string]: unknown;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-grpc-'));
  cluster = await startCluster({ workers: 0, dataDir: dir });
  jobs = await clientByReflection(cluster.coordinator, 'maestro.v1.Jobs');
}, TIMEOUT_MS);

afterAll(async () => {
  jobs?.close();
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}, TIMEOUT_MS);

/** Asks the server for the files that define a service, as grpcurl does, and builds a client of them. */
async function clientByReflection(address: string, service: string): Promise<GenericClient> {
  const files = await reflect(address, { fileContainingSymbol: service });
  const descriptors = (files as { fileDescriptorResponse: { fileDescriptorProto: Buffer[] } }).fileDescriptorResponse.fileDescriptorProto;
  const definition = loadFileDescriptorSetFromBuffer(descriptorSet(descriptors), {
    longs: Number,
    enums: String,
    defaults: true,
    arrays: true,
  });
  const root = loadPackageDefinition(definition);
  const Service = service.split('.').reduce<unknown>((node, part) => (node as GrpcObject)[part], root) as ServiceClientConstructor;
  return new Service(address, credentials.createInsecure()) as unknown as GenericClient;
}

/** A FileDescriptorSet: each file as field 1, with its length as a varint. */
function descriptorSet(files: readonly Buffer[]): Buffer {
  return Buffer.concat(
    files.flatMap((file) => {
      const length: number[] = [];
      for (let rest = file.length; ; rest >>>= 7) {
        if (rest < 0x80) {
          length.push(rest);
          return [Buffer.from([0x0a, ...length]), file];
        }
        length.push((rest & 0x7f) | 0x80);
      }
    }),
  );
}

function reflect(address: string, question: object): Promise<object> {
  const definition = loadPackageDefinition(loadProtos(REFLECTION_PROTO));
  const Reflection = (((definition['grpc'] as GrpcObject)['reflection'] as GrpcObject)['v1'] as GrpcObject)[
    'ServerReflection'
  ] as ServiceClientConstructor;
  const client = new Reflection(address, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    const call = (
      client as unknown as { serverReflectionInfo(): import('@grpc/grpc-js').ClientDuplexStream<object, object> }
    ).serverReflectionInfo();
    call.on('data', resolve);
    call.on('error', reject);
    call.on('end', () => client.close());
    call.write(question);
    call.end();
  });
}
const REFLECTION_PROTO = join(
  dirname(createRequire(import.meta.url).resolve('@grpc/reflection')),
  '../proto/grpc/reflection/v1/reflection.proto',
);

type Unary = (
  request: object,
  metadata: Metadata,
  options: object,
  reply: (error: ServiceError | null, response: Record<string, unknown>) => void,
) => void;

const call = (method: string, request: object): Promise<Record<string, unknown>> =>
  new Promise((resolve, reject) => {
    (jobs[method] as Unary).call(jobs, request, new Metadata(), { deadline: Date.now() + 10_000 }, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });

const codeOf = async (promise: Promise<unknown>): Promise<unknown> => {
  const error = (await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )) as ServiceError | undefined;
  return error?.metadata.get('maestro-error-code')[0];
};

const submit = (name: string, idempotencyKey = ''): Promise<Record<string, unknown>> =>
  call('submitJob', { specJson: JSON.stringify({ ...smallJob({ path: '/nowhere', workers: 1 }), name }), idempotencyKey });

test('a client that knows nothing but reflection submits, pages, gets, watches and cancels', async () => {
  const names = ['one', 'two', 'three'];
  for (const name of names) await submit(name, name);
  expect(await submit('one', 'one')).toMatchObject({ name: 'one' });
  const seen: unknown[] = [];
  let cursor: unknown = '';
  do {
    const page = await call('listJobs', { limit: 2, cursor });
    seen.push(...(page['jobs'] as { name: string }[]).map(({ name }) => name));
    cursor = page['nextCursor'];
  } while (cursor !== '');
  expect(seen).toEqual(['three', 'two', 'one']);
  const { jobs: queued } = (await call('listJobs', { state: 'queued' })) as { jobs: { id: string }[] };
  const id = queued[0]!.id;
  expect(await call('getJob', { id })).toMatchObject({ id, state: 'queued', resourceVersion: expect.stringMatching(/^\d+-\d+$/) });
  for (const reference of ['@last', 'three', id.slice(0, -3)]) expect(await call('getJob', { id: reference })).toMatchObject({ id });
  expect(await call('listCheckpoints', { id })).toEqual({ checkpoints: [], nextCursor: '' });
  const states: string[] = [];
  const watching = (jobs['watchJob'] as (request: object) => AsyncIterable<{ state: string }>).call(jobs, { id });
  for await (const { state } of watching) {
    states.push(state);
    if (state === 'queued') await call('cancelJob', { id });
  }
  expect(states.at(-1)).toBe('cancelled');
});

test('what is wrong is told with the same codes as over HTTP', async () => {
  expect(await codeOf(call('getJob', { id: 'job-nope' }))).toBe('not-found');
  expect(await codeOf(call('listJobs', { limit: 201 }))).toBe('invalid-argument');
  expect(await codeOf(call('listJobs', { state: 'dreaming' }))).toBe('invalid-argument');
  expect(await codeOf(call('listJobs', { cursor: 'made up' }))).toBe('invalid-argument');
  expect(await codeOf(call('submitJob', { specJson: '{' }))).toBe('invalid-argument');
  expect(await codeOf(call('submitJob', { specJson: JSON.stringify({ name: 'x'.repeat(300_000) }) }))).toBe('too-large');
  await submit('first', 'key');
  expect(await codeOf(submit('second', 'key'))).toBe('conflict');
});

test('hostile job files are refused as invalid, and the coordinator goes on', async () => {
  const file = smallJob({ path: '/nowhere', workers: 1 });
  const hostile = [
    '['.repeat(100_000),
    `{"name":${'{"a":'.repeat(30_000)}`,
    '{"name": .nan}',
    '{}\n---\n{}',
    '{"__proto__": {"name": "x"}, "constructor": 1}',
    JSON.stringify({ ...file, optimizer: { weightDecay: 7 } }).replace('"weightDecay":7', '"weightDecay":1e400'),
    JSON.stringify({ ...file, schedule: { steps: 5, microBatch: 50_000_000, lastBatch: 'keep' } }),
  ];
  for (const specJson of hostile) {
    const said = await call('submitJob', { specJson }).catch((error: ServiceError) => error);
    expect([specJson.slice(0, 60), (said as ServiceError).code, (said as ServiceError).details]).toEqual([
      specJson.slice(0, 60),
      status.INVALID_ARGUMENT,
      expect.not.stringContaining('internal'),
    ]);
  }
  for (const id of ['__proto__', 'constructor', 'toString']) expect(await codeOf(call('getJob', { id }))).toBe('not-found');
  expect(await call('listJobs', { limit: 1 })).toHaveProperty('jobs');
});

test('health says SERVING, for the server and for the service', async () => {
  const health = await clientByReflection(cluster.coordinator, 'grpc.health.v1.Health');
  const check = (service: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      (health['check'] as Unary).call(health, { service }, new Metadata(), {}, (error, response) =>
        error === null ? resolve(response) : reject(error),
      );
    });
  expect(await check('')).toEqual({ status: 'SERVING' });
  expect(await check('maestro.v1.Jobs')).toEqual({ status: 'SERVING' });
  health.close();
});
