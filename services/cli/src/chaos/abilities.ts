import type { ClusterFile } from '../terminal/connection.ts';

/** Network faults: cut a worker off, delay what it sends, lose some of it, or limit its rate. */
export const NETWORK_ABILITIES = ['partition', 'delay', 'loss', 'throttle'] as const;

/** A name in {@link NETWORK_ABILITIES}. */
export type NetworkAbility = (typeof NETWORK_ABILITIES)[number];

/** A process that may be restarted. */
export type Restartable = 'coordinator' | 'redis';

/** Faults possible in a cluster, and the impossible ones with the reason. */
export interface Abilities {
  readonly restartable: readonly Restartable[];
  readonly network: readonly NetworkAbility[];
  readonly lacks: readonly { readonly what: string; readonly reason: string }[];
}

/**
 * Determines the faults possible in the cluster of this file for a process that is root, or is not. Pure: together with the seed it decides
 * the schedule.
 */
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
