import type { ClusterFile } from '../terminal/connection.ts';

/**
 * What may be done to a cluster's network: cut a worker off, deliver what it sends later, lose some of it, or send less of it at a time.
 */
export const NETWORK_ABILITIES = ['partition', 'delay', 'loss', 'throttle'] as const;

/** A name in {@link NETWORK_ABILITIES}. */
export type NetworkAbility = (typeof NETWORK_ABILITIES)[number];

/** A process that may be restarted. */
export type Restartable = 'coordinator' | 'redis';

/** What can be done to a cluster, and what cannot, with the reason. */
export interface Abilities {
  readonly restartable: readonly Restartable[];
  readonly network: readonly NetworkAbility[];
  readonly lacks: readonly { readonly what: string; readonly reason: string }[];
}

/** What can be done to the cluster of this file by a process that is root, or is not. Pure: with the seed it decides the schedule. */
export function abilitiesOf(
  { processes, network }: Pick<ClusterFile, 'processes' | 'network'>,
  { isRoot }: { readonly isRoot: boolean },
): Abilities {
  const restartable = (['coordinator', 'redis'] as const).filter((name) => processes.some((process) => process.name === name));
  const lackOf = (ability: NetworkAbility): string | undefined => {
    if (network === undefined) return 'the cluster was started without --network-namespaces';
    if (!isRoot) return 'it needs root';
    return network.lacks[ability === 'partition' ? 'namespaces' : ability];
  };
  const lacking = NETWORK_ABILITIES.flatMap((what) => {
    const reason = lackOf(what);
    return reason === undefined ? [] : [{ what, reason }];
  });
  const others = (['coordinator', 'redis'] as const).filter((name) => !restartable.includes(name));
  return {
    restartable,
    network: NETWORK_ABILITIES.filter((ability) => lackOf(ability) === undefined),
    lacks: [...others.map((name) => ({ what: `restart ${name}`, reason: 'it does not belong to this cluster' })), ...lacking],
  };
}
