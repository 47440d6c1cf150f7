import { type NetworkId, namespaceOf, type Partition, prefixesOf } from './networkNames.ts';
import { shaping } from './networkSupport.ts';
import { ip, runTool } from './runTool.ts';

/** Makes it as it was. */
export type Heal = () => Promise<void>;

/** Cuts a host off, silently and in both directions: neither end is told, and packets that are sent meanwhile are lost. */
export async function cutOff(id: NetworkId, name: string, from: Partition): Promise<Heal> {
  const namespace = namespaceOf(id, name);
  const prefixes = prefixesOf(id, from);
  for (const prefix of prefixes) await ip(`-n ${namespace} route replace ${prefix} dev hole`);
  return async () => {
    for (const prefix of prefixes) await ip(`-n ${namespace} route del ${prefix} dev hole`);
  };
}

/** Lets what a host sends arrive `ms` milliseconds later. */
export function delayLink(id: NetworkId, name: string, ms: number): Promise<Heal> {
  return shape(id, name, shaping.delay(ms));
}

/** Lets a host send no more than `kilobits` a second. */
export function throttleLink(id: NetworkId, name: string, kilobits: number): Promise<Heal> {
  return shape(id, name, shaping.throttle(kilobits));
}

async function shape(id: NetworkId, name: string, words: string): Promise<Heal> {
  const change = (how: string): Promise<string> =>
    runTool('ip', `netns exec ${namespaceOf(id, name)} tc qdisc ${how} dev eth0 root`.split(' '));
  await runTool('ip', `netns exec ${namespaceOf(id, name)} tc qdisc replace dev eth0 root ${words}`.split(' '));
  return async () => void (await change('del'));
}
