import type { MethodDefinition } from '@grpc/grpc-js';
import { describe, expect, test } from '@jest/globals';
import { loadService } from './grpc.ts';
import type { Wire } from './messages.ts';
import { parseWorkerMessage } from './workerMessages.ts';

const { Attach } = loadService('coordinator.proto', 'Coordinator').service as unknown as { Attach: MethodDefinition<object, Wire> };
/** A message as the coordinator gets it: encoded and decoded. */
const overWire = (message: object): Wire => Attach.requestDeserialize(Attach.requestSerialize(message)) as unknown as Wire;
const parse = (message: object) => parseWorkerMessage(overWire(message));

const hello = {
  name: 'a',
  id: 'a:1',
  address: 'h:1',
  device: 'cpu',
  threads: 1,
  pid: 7,
  host: 'h',
  buildJson: '{}',
  incarnation: 3,
  sessionKey: 'k',
  operators: 1,
  kernels: 'avx2',
};
const committed = {
  ...{ jobId: 'job-1', generation: 2, step: 5, metrics: { loss: 0.5, gradNorm: 1, learningRate: 0.1 }, images: 64, stepSeconds: 0.2 },
  ranks: [{ images: 64, digest: 2 ** 52 - 1, content: 7 }],
};
const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, i]));
const heartbeat = { jobId: 'job-1', generation: 2, step: 5, phase: 'compute', phaseSeconds: 1, waitingFor: '', rankSeconds: 0 };
const standing = {
  ...{ jobId: 'job-1', generation: 2, status: 'working', step: -1, datasetLength: 300, identityJson: '{"device":"cpu"}', stateHash: '' },
  ...{ reports: [committed], errorCode: '', errorMessage: '', suspect: '', shards: [], stateLength: 9, results: {} },
};

describe('a message of a worker', () => {
  test('that is right comes through the wire as it was', () => {
    expect(parse({ hello: { ...hello, standing } })).toEqual({ kind: 'hello', ...hello, standing });
    expect(parse({ committed })).toEqual({ kind: 'committed', ...committed });
    expect(parse({ heartbeat })).toEqual({ kind: 'heartbeat', ...heartbeat });
    expect(parse({ standing })).toEqual({ kind: 'standing', ...standing });
  });

  test('that this version does not know is passed over', () => {
    expect(parseWorkerMessage({ message: 'later', later: {} })).toBeUndefined();
    expect(parseWorkerMessage({ message: 'constructor', constructor: {} as never })).toBeUndefined();
    expect(parseWorkerMessage({})).toBeUndefined();
  });

  test.each<[string, object]>([
    ['hello.incarnation', { hello: { ...hello, incarnation: '9007199254740992' } }],
    ['hello.incarnation', { hello: { ...hello, incarnation: '18446744073709551615' } }],
    ['hello.name', { hello: { ...hello, name: 'a b', id: 'a b:1' } }],
    ['hello.name', { hello: { ...hello, name: '\u001b[31m', id: '\u001b[31m:1' } }],
    ['hello.id', { hello: { ...hello, id: 'b:1' } }],
    ['hello.device', { hello: { ...hello, device: 'abacus' } }],
    ['hello.buildJson', { hello: { ...hello, buildJson: '[' } }],
    ['hello.standing.step', { hello: { ...hello, standing: { ...standing, step: -2 } } }],
    ['committed.step', { committed: { ...committed, step: '9223372036854775807' } }],
    ['committed.step', { committed: { ...committed, step: 0 } }],
    ['committed.metrics.loss', { committed: { ...committed, metrics: { loss: Number.NaN } } }],
    ['committed.metrics.loss', { committed: { ...committed, metrics: { loss: Number.NEGATIVE_INFINITY } } }],
    [`committed.metrics.${'x'.repeat(201)}`, { committed: { ...committed, metrics: { ['x'.repeat(201)]: 1 } } }],
    ['committed.metrics', { committed: { ...committed, metrics: many(33) } }],
    ['standing.reports.0.metrics', { standing: { ...standing, reports: [{ ...committed, metrics: many(33) }] } }],
    ['standing.results', { standing: { ...standing, results: many(101) } }],
    ['committed.ranks.0.digest', { committed: { ...committed, ranks: [{ images: 1, digest: '4503599627370496' }] } }],
    ['heartbeat.phaseSeconds', { heartbeat: { ...heartbeat, phaseSeconds: Number.POSITIVE_INFINITY } }],
    ['heartbeat.rankSeconds', { heartbeat: { ...heartbeat, rankSeconds: -1 } }],
    ['heartbeat.jobId', { heartbeat: { ...heartbeat, jobId: '../x' } }],
    ['standing.status', { standing: { ...standing, status: 'ended' } }],
    ['standing.identityJson', { standing: { ...standing, identityJson: '[1]' } }],
    ['standing.stateHash', { standing: { ...standing, stateHash: 'h' } }],
    ['checkpoint.hash', { checkpoint: { jobId: 'job-1', generation: 1, step: 1, path: '/a', hash: 'zz' } }],
    ['left.outcome', { left: { jobId: 'job-1', generation: 1, step: 1, outcome: 'vanished', errorCode: '', errorMessage: '' } }],
  ])('whose %s cannot be is refused by that name', (field, message) => {
    expect(() => parse(message)).toThrow(`control stream: ${field}: `);
  });

  test('has its words cut where they go on for ever', () => {
    const message = parse({ drain: { jobId: '', reason: 'x'.repeat(10_000) } });
    expect((message as { readonly reason: string }).reason).toHaveLength(4097);
  });
});
