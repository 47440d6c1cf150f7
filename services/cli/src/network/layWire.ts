import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MaestroError } from '@maestro/protocol';
import type { WireLaw } from './delayLine.ts';
import { BRIDGE, cableOf, type NetworkId, namespaceOf, switchOf, wireOf } from './networkNames.ts';
import { ip } from './runTool.ts';
import type { WireOrder } from './wireMain.ts';

/** A wire's process. */
export interface Wire {
  /** Ends it, and so its devices. */
  end(): Promise<void>;
}

/** Number of frames that wait for the wire's process to be scheduled: sized for a busy machine. */
const QUEUE_FRAMES = 10_000;

/**
 * Starts a wire in a namespace. It ends with this process.
 * @throws MaestroError `unavailable` with the wire's own message, also in `details.said`, when TAP devices are not available.
 */
export async function startWire(namespace: string, order: WireOrder): Promise<Wire> {
  const program = fileURLToPath(new URL('wireMain.js', import.meta.url));
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, program, JSON.stringify(order)], { stdio: 'pipe' });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said += text.toString();
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const isReady = await Promise.race([once(child.stdout, 'data').then(() => true), exited.then(() => false)]);
  if (!isReady) {
    const why = /(?:wire|Error): .*/.exec(said)?.[0] ?? said.trim();
    throw new MaestroError('unavailable', `no wire in ${namespace}: ${why}`, { details: { said: why } });
  }
  return {
    async end() {
      child.stdin.end();
      await exited;
    },
  };
}

/**
 * Inserts a wire between a host and the bridge, while the cable is in use; returns a function that removes it. A cable can have one at a
 * time.
 */
export async function layWire(id: NetworkId, name: string, law: WireLaw): Promise<() => Promise<void>> {
  const hub = switchOf(id);
  const octet = Number(/inet \d+\.\d+\.\d+\.(\d+)/.exec(await ip(`-n ${namespaceOf(id, name)} -4 -o addr show dev eth0`))![1]);
  const { side, near, far } = wireOf(octet);
  await ip(`-n ${hub} link add ${side} type bridge`);
  const removeSide = (): Promise<string> => ip(`-n ${hub} link del ${side}`);
  let wire: Wire;
  try {
    wire = await startWire(hub, { near, far, law });
  } catch (error) {
    await removeSide();
    throw error;
  }
  await ip(`-n ${hub} link set ${side} up`);
  await ip(`-n ${hub} link set ${near} txqueuelen ${QUEUE_FRAMES} master ${side} up`);
  await ip(`-n ${hub} link set ${far} txqueuelen ${QUEUE_FRAMES} master ${BRIDGE} up`);
  await ip(`-n ${hub} link set ${cableOf(octet)} master ${side}`);
  return async () => {
    await ip(`-n ${hub} link set ${cableOf(octet)} master ${BRIDGE}`);
    await wire.end();
    await removeSide();
  };
}
