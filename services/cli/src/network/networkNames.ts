/** A network of namespaces: all its names and addresses follow from these two values. */
export interface NetworkId {
  /** The process that created it. Once it has ended, the next process that creates a network removes what is left. */
  readonly owner: number;
  /** First three octets of its addresses. */
  readonly subnet: string;
}

/** Octets of processes with a fixed address; workers have the upper half. */
const SERVICES: Readonly<Record<string, number>> = { coordinator: 2, redis: 3 };
const FIRST_WORKER = 128;
const LAST_WORKER = 254;
/** The second octet is rarely used in home and company networks. */
const SUBNETS = Array.from({ length: 256 }, (_, third) => `10.231.${third}`);

/** Returns the namespace of a process. */
export function namespaceOf({ owner }: NetworkId, name: string): string {
  return `maestro-${owner}-${name}`;
}

/** Returns the namespace of the bridge that joins all hosts. It belongs to no host, so its name is one that no process can have. */
export function switchOf(id: NetworkId): string {
  return namespaceOf(id, '+switch');
}

/** Returns the machine's own end of its cable to the switch, with the first address on it; Linux allows 15 characters. */
export function uplinkOf({ owner }: NetworkId): string {
  return `mup-${owner.toString(36)}`;
}

/** Names of devices in the switch's namespace. */
export const BRIDGE = 'bridge';
export const cableOf = (octet: number): string => `host-${octet}`;
/** Devices at the ends of a wire of ours: a bridge that the cable is moved to, the device on that, and the one on the common bridge. */
export const wireOf = (octet: number) => ({ side: `side-${octet}`, near: `near-${octet}`, far: `far-${octet}` }) as const;

/** Returns the last octets that a process of this name may have, in order of preference. */
export function octetsOf(name: string): number[] {
  const fixed = SERVICES[name];
  return fixed !== undefined ? [fixed] : Array.from({ length: LAST_WORKER - FIRST_WORKER + 1 }, (_, i) => FIRST_WORKER + i);
}

/** Targets that a worker may be cut off from. */
export const PARTITIONS = ['peers', 'coordinator', 'redis', 'all'] as const;

/** A name in {@link PARTITIONS}. */
export type Partition = (typeof PARTITIONS)[number];

/** Returns the addresses that a partition cuts off, more specific than the subnet: includes those of future peers. */
export function prefixesOf({ subnet }: NetworkId, from: Partition): string[] {
  switch (from) {
    case 'peers':
      return [`${subnet}.${FIRST_WORKER}/25`];
    case 'coordinator':
    case 'redis':
      return [`${subnet}.${SERVICES[from]}/32`];
    case 'all':
      return [`${subnet}.0/25`, `${subnet}.${FIRST_WORKER}/25`];
  }
}

/** Returns the owner of a namespace or uplink by its name; undefined when it is not ours. */
export function ownerOf(name: string): number | undefined {
  const namespace = /^maestro-(\d+)-/.exec(name);
  if (namespace !== null) return Number(namespace[1]);
  const uplink = /^mup-([0-9a-z]+)$/.exec(name);
  return uplink === null ? undefined : Number.parseInt(uplink[1]!, 36);
}

/** Returns a subnet that no address or route of this machine uses; networks of different owners start the search at different ones. */
export function freeSubnet(owner: number, taken: string): string | undefined {
  const first = owner % SUBNETS.length;
  return [...SUBNETS.slice(first), ...SUBNETS.slice(0, first)].find((subnet) => !taken.includes(`${subnet}.`));
}
