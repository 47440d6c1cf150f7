import { isMaestroError, MaestroError } from '@maestro/protocol';
import { layWire } from './layWire.ts';
import { type NetworkId, namespaceOf, type Partition, prefixesOf } from './networkNames.ts';
import { ip, runTool } from './runTool.ts';

/** Restores the previous state. */
export type Heal = () => Promise<void>;

/** Disturbance of a host's link, in the direction in which the host sends. Omitted aspects are unchanged. */
export interface LinkShape {
  /** Delay of everything sent. */
  readonly delayMs?: number;
  /** Share of lost packets, in percent. */
  readonly lossPercent?: number;
  /** Maximum rate, per second. */
  readonly kilobits?: number;
  /** Decides which packets are lost when our own wire does it. Default 0. */
  readonly seed?: number;
}

/** Cuts a host off, silently and in both directions: neither end is notified, and packets sent meanwhile are lost. */
export async function cutOff(id: NetworkId, name: string, from: Partition): Promise<Heal> {
  const namespace = namespaceOf(id, name);
  const prefixes = prefixesOf(id, from);
  for (const prefix of prefixes) await ip(`-n ${namespace} route replace ${prefix} dev hole`);
  return async () => {
    for (const prefix of prefixes) await ip(`-n ${namespace} route del ${prefix} dev hole`);
  };
}

/**
 * Delays, drops or limits a host's traffic until it is healed.
 * @throws MaestroError `conflict` when its link is disturbed already, `unavailable` when this machine has no means for it.
 */
export async function shapeLink(id: NetworkId, name: string, shape: LinkShape): Promise<Heal> {
  const { delayMs = 0, lossPercent = 0, kilobits, seed = 0 } = shape;
  const tc = tcIn(namespaceOf(id, name));
  const heals: Heal[] = [];
  const heal: Heal = async () => {
    for (const each of heals) await each();
  };
  const discipline = async (parent: string, words: string): Promise<void> => {
    await tc(`add dev eth0 ${parent} ${words}`);
    if (parent.startsWith('root')) heals.push(async () => void (await tc('del dev eth0 root')));
  };
  try {
    let parent = 'root';
    if (delayMs > 0 || lossPercent > 0) {
      try {
        await discipline('root handle 1:', disciplines.netem({ delayMs, lossPercent }));
        parent = 'parent 1:1';
      } catch (error) {
        // A kernel without netem; any other cause will be reported by the wire.
        if (!isMaestroError(error, 'unavailable') || isTaken(error)) throw error;
        heals.push(await layWire(id, name, { delayMs, lossPercent, seed }));
      }
    }
    if (kilobits !== undefined) await discipline(parent, disciplines.tbf(kilobits));
    return heal;
  } catch (error) {
    await heal();
    if (!isTaken(error)) throw error;
    throw new MaestroError('conflict', `network: the link of ${name} is already shaped`, { cause: error });
  }
}

/** Returns true when a tool refused to create something that exists; `ip` and `tc` have different messages. */
function isTaken(error: unknown): boolean {
  return isMaestroError(error) && /File exists|Exclusivity flag/.test(String(error.details['said']));
}

/** The kernel's queueing disciplines, as arguments of `tc`. */
export const disciplines = {
  /** The queue is longer than the default 1000 packets, which 100 Mbit/s fill in 120 ms. */
  netem: ({ delayMs, lossPercent }: { readonly delayMs: number; readonly lossPercent: number }): string =>
    `netem limit 100000 delay ${delayMs}ms loss ${lossPercent}%`,
  /** The queue holds a quarter of a second, like those of routers; the burst covers the pauses of a busy machine. */
  tbf: (kilobits: number): string => {
    const bytesPerMs = kilobits / 8;
    const burst = Math.max(65_536, Math.round(4 * bytesPerMs));
    return `tbf rate ${kilobits}kbit burst ${burst} limit ${Math.max(262_144, Math.round(250 * bytesPerMs))}`;
  },
} as const;

/** Runs `tc qdisc` in a namespace. */
export function tcIn(namespace: string): (words: string) => Promise<string> {
  return (words) => runTool('ip', `netns exec ${namespace} tc qdisc ${words}`.split(' '));
}
