import { spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { shapeLink } from './linkFaults.ts';
import { makeNamespaceNetwork, type NamespaceNetwork } from './namespaceNetwork.ts';
import { networkLacks } from './networkSupport.ts';

const lacks = await networkLacks();
const lack = lacks.namespaces ?? lacks.delay ?? lacks.throttle;
if (lack !== undefined) process.stderr.write(`tests of links are skipped: ${lack}\n`);
const linkTest = lack === undefined ? test : test.skip;

const ECHO = `const socket = require('dgram').createSocket('udp4');
socket.on('message', (text, { port, address }) => socket.send(text, port, address));
socket.bind(0, process.argv[1], () => console.log(socket.address().port));`;
const PACKETS = 2000;
/** So many are under way at a time, that nothing overflows. */
const WINDOW = 20;

let network: NamespaceNetwork;
let socket: Socket;
let peer: { readonly port: number; readonly address: string };
let endPeer: () => void;

beforeAll(async () => {
  if (lack !== undefined) return;
  network = await makeNamespaceNetwork();
  const { address, enter } = await network.place('worker-a');
  const child = spawn(enter[0]!, [...enter.slice(1), process.execPath, '-e', ECHO, address], { stdio: ['ignore', 'pipe', 'inherit'] });
  endPeer = () => child.kill();
  const [port] = (await once(createInterface(child.stdout), 'line')) as [string];
  peer = { port: Number(port), address };
  socket = createSocket('udp4');
  socket.bind();
  await once(socket, 'listening');
});

afterAll(async () => {
  socket?.close();
  endPeer?.();
  await network?.close();
});

/** Sends packets that the host sends back, some at a time; gives for each that came back how long it took. */
async function echoes(count: number, { bytes = 8, patienceMs = 500 } = {}): Promise<Map<number, number>> {
  const sentMs: number[] = [];
  const tookMs = new Map<number, number>();
  let batchIsBack: () => void = () => undefined;
  const receive = (text: Buffer): void => {
    const number = text.readUInt32LE();
    tookMs.set(number, performance.now() - sentMs[number]!);
    if (number % WINDOW === WINDOW - 1) batchIsBack();
  };
  socket.on('message', receive);
  for (let first = 0; first < count; first += WINDOW) {
    // Packets keep their order: whatever of a batch is to come has come with its last one, unless that one is lost.
    const isBack = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      batchIsBack = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    for (let number = first; number < first + WINDOW; number++) {
      const text = Buffer.alloc(bytes);
      text.writeUInt32LE(number);
      sentMs[number] = performance.now();
      socket.send(text, peer.port, peer.address);
    }
    await isBack;
  }
  socket.off('message', receive);
  return tookMs;
}

const least = (times: Map<number, number>): number => Math.min(...times.values());

linkTest('what a host sends arrives later, and as soon as ever once the link is healed', async () => {
  expect(least(await echoes(WINDOW))).toBeLessThan(40);
  const heal = await shapeLink(network.id, 'worker-a', { delayMs: 50 });
  const delayed = await echoes(5 * WINDOW);
  expect(delayed.size).toBe(5 * WINDOW);
  expect(least(delayed)).toBeGreaterThanOrEqual(50);
  expect(least(delayed)).toBeLessThan(90);
  await heal();
  expect(least(await echoes(WINDOW))).toBeLessThan(40);
});

linkTest('about as many packets are lost as asked for, and none once the link is healed', async () => {
  const heal = await shapeLink(network.id, 'worker-a', { lossPercent: 10, seed: 1 });
  const lost = PACKETS - (await echoes(PACKETS, { patienceMs: 100 })).size;
  expect(lost).toBeGreaterThan(0.06 * PACKETS);
  expect(lost).toBeLessThan(0.14 * PACKETS);
  await heal();
  expect((await echoes(PACKETS)).size).toBe(PACKETS);
});

linkTest('a link is slow and narrow at once', async () => {
  const heal = await shapeLink(network.id, 'worker-a', { delayMs: 20, kilobits: 1000 });
  const startMs = performance.now();
  const times = await echoes(10 * WINDOW, { bytes: 1000, patienceMs: 2000 });
  // 200 packets of 1000 bytes are 1.6 s at 1 Mbit/s, less what the bucket holds at first.
  expect(performance.now() - startMs).toBeGreaterThan(900);
  expect(times.size).toBe(10 * WINDOW);
  expect(least(times)).toBeGreaterThanOrEqual(20);
  await heal();
});

linkTest('two shapes at a time are refused, and leave the first as it is', async () => {
  const taken = /the link of worker-a is already shaped/;
  const heal = await shapeLink(network.id, 'worker-a', { delayMs: 30, kilobits: 100_000 });
  for (const shape of [{ delayMs: 90 }, { kilobits: 1000 }]) await expect(shapeLink(network.id, 'worker-a', shape)).rejects.toThrow(taken);
  expect(least(await echoes(WINDOW))).toBeLessThan(70);
  await heal();
  // One that comes to nothing leaves nothing.
  const healNarrow = await shapeLink(network.id, 'worker-a', { kilobits: 100_000 });
  await expect(shapeLink(network.id, 'worker-a', { delayMs: 90, kilobits: 1000 })).rejects.toThrow(taken);
  expect(least(await echoes(WINDOW))).toBeLessThan(40);
  await healNarrow();
});
