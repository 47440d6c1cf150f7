import { isAlive, MaestroError } from '@maestro/protocol';
import type { HostNetwork, Place } from './hostNetwork.ts';
import { BRIDGE, cableOf, freeSubnet, type NetworkId, namespaceOf, octetsOf, ownerOf, switchOf, uplinkOf } from './networkNames.ts';
import { ip, runTool } from './runTool.ts';

/** A network in which each process has its own host, as far as the network is concerned. */
export interface NamespaceNetwork extends HostNetwork {
  readonly id: NetworkId;
}

/**
 * Creates a bridge, whose hosts will be network namespaces connected to it by a cable; this machine has one too. The bridge has its own
 * namespace, since the machine's packet filter may drop what crosses a bridge of the machine: Docker forbids forwarding, and makes bridges
 * consult the filter. Removes what networks of dead owners have left.
 * @throws MaestroError `unavailable` where that is not possible: see `networkLacks`.
 */
export async function makeNamespaceNetwork(): Promise<NamespaceNetwork> {
  await removeNetworks((owner) => owner === process.pid || !isAlive(owner));
  const subnet = freeSubnet(process.pid, `${await ip('-4 -o addr')}${await ip('-4 route')}`);
  if (subnet === undefined) throw new MaestroError('unavailable', 'no free subnet in 10.231.0.0/16 on this machine');
  const id = { owner: process.pid, subnet };
  const [hub, uplink] = [switchOf(id), uplinkOf(id)];
  await ip(`netns add ${hub}`);
  await ip(`-n ${hub} link add ${BRIDGE} type bridge`);
  await ip(`-n ${hub} link set ${BRIDGE} up`);
  await ip(`link add ${uplink} type veth peer name uplink netns ${hub}`);
  await ip(`-n ${hub} link set uplink master ${BRIDGE} up`);
  await ip(`addr add ${subnet}.1/24 dev ${uplink}`);
  await ip(`link set ${uplink} up`);
  return { ...openNamespaceNetwork(id), close: () => removeNetworks((owner) => owner === process.pid) };
}

/** Opens a network created by some process, to add hosts to it. Closing it removes those. */
export function openNamespaceNetwork(id: NetworkId): NamespaceNetwork {
  const places = new Map<string, Promise<Place>>();
  return {
    id,
    place(name) {
      const known = places.get(name) ?? addHost(id, name);
      places.set(name, known);
      return known;
    },
    async close() {
      for (const name of places.keys()) await removeQuietly(`netns del ${namespaceOf(id, name)}`);
    },
  };
}

/** Adds a namespace with a cable to the bridge, and with the hole that partitions route into. */
async function addHost(id: NetworkId, name: string): Promise<Place> {
  const namespace = namespaceOf(id, name);
  await ip(`netns add ${namespace}`);
  const octet = await addCable(id, namespace, octetsOf(name));
  const address = `${id.subnet}.${octet}`;
  await ip(`-n ${switchOf(id)} link set ${cableOf(octet)} master ${BRIDGE} up`);
  await ip(`-n ${namespace} addr add ${address}/24 dev eth0`);
  await ip(`-n ${namespace} link set lo up`);
  await ip(`-n ${namespace} link set eth0 up`);
  // A bridge without ports swallows every packet: silence, whereas a blackhole route would notify the sender.
  await ip(`-n ${namespace} link add hole type bridge`);
  await ip(`-n ${namespace} link set hole arp off up`);
  const enter = ['ip', 'netns', 'exec', namespace];
  // Packets from where the hole leads to are not let in either.
  await runTool(enter[0]!, [...enter.slice(1), 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter']);
  return { address, enter };
}

/** Adds a cable with the first free octet; other processes may be adding hosts too. */
async function addCable(id: NetworkId, namespace: string, octets: readonly number[]): Promise<number> {
  const hub = switchOf(id);
  const links = await ip(`-n ${hub} -o link`);
  for (const octet of octets) {
    const cable = cableOf(octet);
    if (links.includes(` ${cable}@`)) continue;
    try {
      await ip(`-n ${hub} link add ${cable} type veth peer name eth0 netns ${namespace}`);
      return octet;
    } catch (error) {
      if (!(error as Error).message.includes('File exists')) throw error;
    }
  }
  throw new MaestroError('conflict', `network: no free address for ${namespace}`);
}

/** Removes what is left of the networks of some owners. Processes in a namespace live on without a network. */
async function removeNetworks(isTheirs: (owner: number) => boolean): Promise<void> {
  const isMeant = (name: string): boolean => {
    const owner = ownerOf(name);
    return owner !== undefined && isTheirs(owner);
  };
  const namespaces = (await ip('netns list')).split('\n').map((line) => line.split(' ')[0]!);
  for (const name of namespaces.filter(isMeant)) await removeQuietly(`netns del ${name}`);
  const links = (await ip('-o link')).split('\n').map((line) => /^\d+: ([^@:]+)/.exec(line)?.[1] ?? '');
  for (const name of links.filter(isMeant)) await removeQuietly(`link del ${name}`);
}

/** Ignores what another process, or the kernel, has removed meanwhile. */
async function removeQuietly(words: string): Promise<void> {
  try {
    await ip(words);
  } catch (error) {
    if (!/No such file|Cannot find device|No such device/.test((error as Error).message)) throw error;
  }
}
