import { connect } from 'node:net';
import { openCollective } from '@maestro/collective';
import { type StateSourceProcess, startStateSource } from '../../support/members/stateSource.ts';
import { median } from '../median.ts';

/** Number of ViT-B/16's parameters, in the pre-training graph; first and second moments have the same size: 447 MB each. */
const FLOATS = 111_654_144;
const VECTORS = 3;
const BYTES = 4 * FLOATS * VECTORS;
const RUNS = 3;

/** Cost of one transfer, with the source's figures. */
interface Transfer {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly sourceCpuSeconds: number;
  readonly sourceDelayP99Ms: number;
  readonly sourceDelayMaxMs: number;
}

/**
 * Pulls the state of a ViT-B from another process over the loopback, into shared memory: the first pull of a view, for which the source
 * hashes; a second one, whose hash exists; two at once; and the same bytes over plain TCP, without checksums. Medians.
 */
export async function benchState(): Promise<void> {
  const into = [0, 1].map(() => Array.from({ length: VECTORS }, () => new Float32Array(new SharedArrayBuffer(4 * FLOATS))));
  const joiner = await openCollective({ keepaliveTimeMs: 5000, keepaliveTimeoutMs: 5000 });
  const pull = async ({ member }: StateSourceProcess, n = 0) => {
    await joiner.pullState({ job: 'test', generation: 1, member, self: `joiner-${n}`, into: into[n]! });
  };
  const cases: readonly (readonly [string, number, (source: StateSourceProcess) => Promise<unknown>])[] = [
    ['first pull', BYTES, (source) => pull(source)],
    ['pull again', BYTES, (source) => pull(source)],
    ['two at once', 2 * BYTES, (source) => Promise.all([pull(source, 0), pull(source, 1)])],
    ['plain TCP', BYTES, (source) => receive(source.tcpPort, into[0]!)],
  ];
  const transfers = cases.map((): Transfer[] => []);
  for (let run = 0; run < RUNS; run++) {
    const source = await startStateSource(FLOATS, VECTORS);
    try {
      for (const [index, [, , transfer]] of cases.entries()) transfers[index]!.push(await measure(source, () => transfer(source)));
    } finally {
      source.process.kill('SIGKILL');
    }
  }
  for (const [index, [title, bytes]] of cases.entries()) process.stdout.write(`state ${title}: ${describe(transfers[index]!, bytes)}\n`);
  await joiner.close();
}

async function measure(source: StateSourceProcess, transfer: () => Promise<unknown>): Promise<Transfer> {
  await source.begin();
  const begin = performance.now();
  const cpu = process.cpuUsage();
  await transfer();
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const { cpuSeconds, delayP99Ms, delayMaxMs } = await source.end();
  return {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    sourceCpuSeconds: cpuSeconds,
    sourceDelayP99Ms: delayP99Ms,
    sourceDelayMaxMs: delayMaxMs,
  };
}

/** Reads a plain TCP connection into vectors until it ends. */
function receive(port: number, into: readonly Float32Array[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const targets = into.map(({ buffer }) => new Uint8Array(buffer));
    let vector = 0;
    let at = 0;
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (bytes) => {
      for (let from = 0; from < bytes.length; ) {
        const target = targets[vector]!;
        const part = bytes.subarray(from, from + target.length - at);
        target.set(part, at);
        from += part.length;
        at += part.length;
        if (at < target.length) continue;
        vector++;
        at = 0;
      }
    });
    socket.once('end', () =>
      vector === targets.length ? resolve() : reject(new Error(`bench state: plain TCP ended in vector ${vector}`)),
    );
    socket.once('error', reject);
  });
}

function describe(transfers: readonly Transfer[], bytes: number): string {
  const of = (value: (transfer: Transfer) => number) => median(transfers.map(value));
  const rate = bytes / 1e9 / of(({ seconds }) => seconds);
  const cpu = of(({ cpuSeconds }) => cpuSeconds) / (bytes / 1e9);
  const sourceCpu = of(({ sourceCpuSeconds }) => sourceCpuSeconds) / (bytes / 1e9);
  const p99 = of(({ sourceDelayP99Ms }) => sourceDelayP99Ms);
  const most = of(({ sourceDelayMaxMs }) => sourceDelayMaxMs);
  return (
    `${(bytes / 1e6).toFixed(0)} MB at ${rate.toFixed(2)} GB/s; joiner ${cpu.toFixed(2)} s of processor a GB; source ` +
    `${sourceCpu.toFixed(2)}, event-loop delay p99 ${p99.toFixed(1)} ms, most ${most.toFixed(1)} ms`
  );
}
