import { afterEach, expect, test } from '@jest/globals';
import { type Collective, openCollective } from '@maestro/collective';
import { type StateSourceProcess, startStateSource } from '../support/members/stateSource.ts';

/** 96 MB: far more than sockets and windows hold. */
const LENGTH = 8_000_000;
const VECTORS = 3;

let source: StateSourceProcess | undefined;
let joiner: Collective | undefined;
afterEach(async () => {
  source?.process.kill('SIGKILL');
  await joiner?.close();
});

const blank = () => Array.from({ length: VECTORS }, () => new Float32Array(new SharedArrayBuffer(4 * LENGTH)));
const asked = ({ member }: StateSourceProcess) => ({ job: 'test', generation: 1, member, self: 'joiner', into: blank() });

/** Pulls, and sends `signal` to the source when the first bytes have come. */
async function loseSource(signal: 'SIGKILL' | 'SIGSTOP', keepaliveMs: number) {
  const begun = await startStateSource(LENGTH, VECTORS);
  source = begun;
  joiner = await openCollective({ keepaliveTimeMs: keepaliveMs, keepaliveTimeoutMs: keepaliveMs });
  let lostAt = 0;
  const onProgress = () => {
    if (lostAt > 0) return;
    lostAt = performance.now();
    begun.process.kill(signal);
  };
  const error = await joiner.pullState({ ...asked(begun), onProgress }).catch((reason: unknown) => reason);
  return { error, elapsedMs: performance.now() - lostAt };
}

test.each([['SIGKILL', 10_000] as const, ['SIGSTOP', 500] as const])(
  'after %s of the source in the middle of it the pull rejects, naming the source',
  async (signal, keepaliveMs) => {
    const { error, elapsedMs } = await loseSource(signal, keepaliveMs);
    expect(error).toMatchObject({ code: 'peer-lost', details: { member: 'source', generation: 1 } });
    // Long before nothing came for 30 s; a kill is seen before keepalive would ask.
    expect(elapsedMs).toBeLessThan(10_000);
  },
);

test('a state goes from process to process, its hash the same for each that pulls it', async () => {
  source = await startStateSource(LENGTH, VECTORS);
  joiner = await openCollective();
  const [one, two] = [asked(source), asked(source)];
  const pulled = await Promise.all([joiner.pullState(one), joiner.pullState({ ...two, self: 'other' })]);
  for (const { step, bytes } of pulled) expect({ step, bytes }).toEqual({ step: 11, bytes: 4 * LENGTH * VECTORS });
  expect(pulled[0].hash).toBe(pulled[1].hash);
  for (const [v, vector] of one.into.entries()) {
    const last = LENGTH - 1;
    expect(vector[last]).toBe(Math.fround((Math.imul(last, 0x9e3779b1) >>> 8) + v));
    expect(Buffer.from(vector.buffer as unknown as ArrayBuffer).equals(Buffer.from(two.into[v]!.buffer as unknown as ArrayBuffer))).toBe(
      true,
    );
  }
});
