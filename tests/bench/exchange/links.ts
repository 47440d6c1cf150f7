import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type LinkShape, makeNamespaceNetwork, networkLacks, shapeLink } from '@maestro/cli';

const SHAPES: readonly (LinkShape & { readonly megabytes: number })[] = [
  { megabytes: 400 },
  { megabytes: 300, delayMs: 0.001 },
  { megabytes: 200, delayMs: 10 },
  { megabytes: 200, delayMs: 50 },
  { megabytes: 50, lossPercent: 0.001 },
  { megabytes: 30, lossPercent: 1 },
  { megabytes: 10, delayMs: 50, lossPercent: 1 },
  { megabytes: 100, kilobits: 1_000_000 },
  { megabytes: 20, kilobits: 100_000 },
  { megabytes: 5, kilobits: 20_000 },
];

const SERVER = `const server = require('net').createServer((socket) => socket.resume().on('end', () => socket.end()));
server.listen(0, process.argv[1], () => console.log(server.address().port));`;
const CLIENT = `const [host, port, count] = process.argv.slice(1);
const socket = require('net').connect({ host, port: Number(port) }, () => {
  const startMs = performance.now();
  const piece = Buffer.alloc(1e6);
  let left = Number(count);
  const send = () => {
    while (left-- > 0) if (!socket.write(piece)) return void socket.once('drain', send);
    socket.end();
  };
  socket.resume().on('close', () => console.log((performance.now() - startMs) / 1000));
  send();
});`;

/**
 * Measures the throughput of one TCP connection over a link of each shape, from its start on; the sender's link is shaped, the reverse
 * direction is not.
 */
export async function benchLinks(): Promise<void> {
  const lacks = await networkLacks();
  const lack = lacks.namespaces ?? lacks.delay ?? lacks.throttle;
  if (lack !== undefined) {
    process.stdout.write(`links: not measured, ${lack}\n`);
    return;
  }
  const control = (await readFile('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8')).trim();
  const network = await makeNamespaceNetwork();
  try {
    const [from, to] = [await network.place('worker-a'), await network.place('worker-b')];
    const run = ({ enter }: typeof from, program: string, ...args: string[]) =>
      spawn(enter[0]!, [...enter.slice(1), process.execPath, '-e', program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const server = run(to, SERVER, to.address);
    const [port] = (await once(server.stdout, 'data')) as [Buffer];
    for (const { megabytes, ...shape } of SHAPES) {
      const heal = await shapeLink(network.id, 'worker-a', shape);
      const [seconds] = (await once(run(from, CLIENT, to.address, port.toString().trim(), String(megabytes)).stdout, 'data')) as [Buffer];
      await heal();
      process.stdout.write(`links (${control}) ${JSON.stringify(shape)}: ${(megabytes / Number(seconds)).toFixed(1)} MB/s\n`);
    }
    server.kill();
  } finally {
    await network.close();
  }
}
