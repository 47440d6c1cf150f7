import type { CoordinatorMessage, WorkerMessage } from '@maestro/protocol';
import type { Dice } from './dice.ts';

/** Something that goes wrong, or is asked for, at a time. */
export type Fault =
  | { readonly atMs: number; readonly type: 'kill' | 'start' | 'terminate' | 'drain' | 'restart'; readonly name: string }
  | { readonly atMs: number; readonly type: 'freeze' | 'hang' | 'slow' | 'cutOff'; readonly name: string; readonly forMs: number }
  | { readonly atMs: number; readonly type: 'cutControl'; readonly name: string; readonly forMs: number; readonly isReset: boolean }
  | { readonly atMs: number; readonly type: 'cutPeers'; readonly name: string; readonly other: string; readonly forMs: number }
  | { readonly atMs: number; readonly type: 'memberFails' | 'alien'; readonly name: string }
  | { readonly atMs: number; readonly type: 'crash' | 'redisAway'; readonly forMs: number }
  /** Another job comes, and goes after a while. */
  | { readonly atMs: number; readonly type: 'rival'; readonly priority: number; readonly minWorkers: number; readonly forMs: number }
  /** The newest checkpoint is damaged: a search finds it so, or only the member that reads it. */
  | { readonly atMs: number; readonly type: 'damage'; readonly isHidden: boolean }
  | { readonly atMs: number; readonly type: 'redisForgets' | 'pause' | 'resume' | 'cancel' }
  | Ambush;

/** A fault that waits for the next message of a kind between the coordinator and a worker, and strikes a moment later. */
export interface Ambush {
  readonly atMs: number;
  readonly type: 'ambush';
  readonly on: (CoordinatorMessage | WorkerMessage)['kind'];
  readonly strike: 'crash' | 'kill' | 'freeze' | 'cutControl';
  readonly afterMs: number;
  readonly forMs: number;
}

/** A cluster and what happens to it. */
export interface Scenario {
  readonly seed: number;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly workers: readonly string[];
  readonly faults: readonly Fault[];
}

/** When faults are over, in simulated milliseconds. */
export const FAULTS_END_MS = 20_000;
const NAMES = ['a', 'b', 'c', 'd', 'e'] as const;

/** The scenario of a seed. */
export function scenarioOf(seed: number, dice: Dice): Scenario {
  const minWorkers = dice.whole(1, 2);
  const workers = NAMES.slice(0, dice.whole(minWorkers, 4));
  const count = dice.chance(0.15) ? dice.whole(10, 30) : dice.whole(1, 8);
  const faults: Fault[] = [];
  for (let index = 0; index < count; index++) {
    // Troubles come in company.
    const near = faults.length > 0 && dice.chance(0.6) ? dice.pick(faults) : undefined;
    const atMs = near === undefined ? dice.between(300, FAULTS_END_MS) : near.atMs + dice.between(0, dice.chance(0.5) ? 60 : 2500);
    faults.push(faultAt(atMs, dice));
  }
  // Some are there before anybody knows what all must have.
  if (dice.chance(0.1)) faults.push({ atMs: dice.between(0, 1500), type: 'alien', name: 'e' });
  if (dice.chance(0.05)) faults.push({ atMs: dice.between(0, 1500), type: 'alien', name: 'd' });
  return { seed, minWorkers, maxWorkers: dice.chance(0.3) ? 3 : 8, workers, faults: faults.sort((a, b) => a.atMs - b.atMs) };
}

function faultAt(atMs: number, dice: Dice): Fault {
  const name = dice.pick(NAMES);
  const forMs = dice.chance(0.5) ? dice.between(50, 2000) : dice.between(2000, 12_000);
  const type = dice.pick([
    'kill',
    'kill',
    'restart',
    'restart',
    'start',
    'start',
    'terminate',
    'drain',
    'freeze',
    'freeze',
    'hang',
    'slow',
    'cutOff',
    'cutControl',
    'cutControl',
    'cutControl',
    'cutPeers',
    'cutPeers',
    'memberFails',
    'crash',
    'crash',
    'redisAway',
    'redisForgets',
    'pause',
    'resume',
    'resume',
    'cancel',
    'damage',
    'alien',
    'rival',
    'rival',
    'ambush',
    'ambush',
    'ambush',
  ] as const);
  switch (type) {
    case 'kill':
    case 'start':
    case 'terminate':
    case 'drain':
    case 'restart':
    case 'memberFails':
    case 'alien':
      return { atMs, type, name };
    case 'rival':
      return { atMs, type, priority: dice.chance(0.7) ? 5 : 0, minWorkers: dice.whole(1, 3), forMs };
    case 'damage':
      return { atMs, type, isHidden: dice.chance(0.5) };
    case 'freeze':
    case 'slow':
    case 'cutOff':
      return { atMs, type, name, forMs };
    case 'hang':
      return { atMs, type, name, forMs: forMs * 4 };
    case 'cutControl':
      return { atMs, type, name, forMs, isReset: dice.chance(0.6) };
    case 'cutPeers':
      return { atMs, type, name, other: dice.pick(NAMES.filter((each) => each !== name)), forMs };
    case 'crash':
      return { atMs, type, forMs };
    case 'redisAway':
      return { atMs, type, forMs: dice.chance(0.3) ? forMs * 5 : forMs };
    case 'cancel':
      // Rare, since it ends the scenario.
      return dice.chance(0.3) ? { atMs, type } : { atMs, type: 'pause' };
    case 'ambush': {
      const on = dice.pick(['prepare', 'view', 'view', 'go', 'hold', 'release', 'standing', 'committed', 'checkpoint', 'left'] as const);
      const strike = dice.pick(['crash', 'crash', 'kill', 'freeze', 'cutControl'] as const);
      // Half of them before what was sent has arrived or is persisted.
      const afterMs = dice.chance(0.5) ? dice.between(0, 1.5) : dice.between(0, 12);
      return { atMs, type, on, strike, afterMs, forMs };
    }
    case 'redisForgets':
    case 'pause':
    case 'resume':
      return { atMs, type };
  }
}

/** A fault on one line. */
export function faultText({ atMs, type, ...rest }: Fault): string {
  const words = Object.entries(rest).map(([key, value]) => (typeof value === 'number' ? `${key} ${Math.round(value)}` : `${key} ${value}`));
  return `${(atMs / 1000).toFixed(2)} s ${[type, ...words].join(' ')}`;
}
