import { createServer } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openCollective } from '@maestro/collective';

/** Commands of the parent process to a source of state. */
export type SourceCommand = { readonly do: 'begin' } | { readonly do: 'end' };

/** Answers of a source of state. */
export type SourceAnswer =
  | { readonly is: 'serving'; readonly address: string; readonly tcpPort: number }
  | { readonly is: 'begun' }
  | { readonly is: 'ended'; readonly cpuSeconds: number; readonly delayP99Ms: number; readonly delayMaxMs: number };

const CHUNK_BYTES = 1 << 20;

/** Serves `vectors` shared vectors of `length` floats as generation 1 of job `test`, and the same bytes to each plain TCP connection. */
const [length = 0, vectors = 0] = process.argv.slice(2).map(Number);
const state = Array.from({ length: vectors }, (_, v) => {
  const vector = new Float32Array(new SharedArrayBuffer(4 * length));
  for (let i = 0; i < length; i++) vector[i] = (Math.imul(i, 0x9e3779b1) >>> 8) + v;
  return vector;
});
const answer = (message: SourceAnswer) => process.send?.(message);
const collective = await openCollective({ address: '127.0.0.1:0', keepaliveTimeMs: 5000, keepaliveTimeoutMs: 5000 });
collective.serveState({ job: 'test', generation: 1, self: 'source', provide: async () => ({ step: 11, vectors: state }) });

const tcp = createServer(async (socket) => {
  // Sockets accept no shared memory: one copy, as for gRPC's frames.
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (const { buffer } of state) {
    for (let at = 0; at < buffer.byteLength; at += CHUNK_BYTES) {
      const part = chunk.subarray(0, Math.min(CHUNK_BYTES, buffer.byteLength - at));
      part.set(new Uint8Array(buffer, at, part.length));
      await new Promise((resolve) => socket.write(part, resolve));
    }
  }
  socket.end();
});
await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));

const delay = monitorEventLoopDelay({ resolution: 1 });
let cpu = process.cpuUsage();
process.on('message', (command: SourceCommand) => {
  if (command.do === 'begin') {
    cpu = process.cpuUsage();
    delay.reset();
    delay.enable();
    answer({ is: 'begun' });
  } else {
    delay.disable();
    const { user, system } = process.cpuUsage(cpu);
    const [delayP99Ms, delayMaxMs] = [delay.percentile(99) / 1e6, delay.max / 1e6];
    answer({ is: 'ended', cpuSeconds: (user + system) / 1e6, delayP99Ms, delayMaxMs });
  }
});
process.on('disconnect', () => process.exit());
answer({ is: 'serving', address: collective.address!, tcpPort: (tcp.address() as { port: number }).port });
