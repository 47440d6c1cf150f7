import type { Abilities } from './abilities.ts';
import type { ChaosSummary } from './runChaos.ts';
import type { ChaosEvent } from './schedule.ts';

/** Formats an event as a line: when, what, to whom. */
export function describeEvent(event: ChaosEvent): string {
  return `${(event.atMs / 1000).toFixed(1).padStart(7)} s  ${what(event)}`;
}

function what(event: ChaosEvent): string {
  switch (event.kind) {
    case 'kill':
      return `kill ${event.worker}`;
    case 'stop':
      return `stop ${event.worker} for ${(event.forMs / 1000).toFixed(1)} s`;
    case 'join':
      return `${event.worker} joins`;
    case 'drain':
      return `drain ${event.worker}`;
    case 'partition':
      return `cut ${event.worker} off from ${event.from} for ${(event.forMs / 1000).toFixed(1)} s`;
    case 'delay':
      return `deliver what ${event.worker} sends ${event.delayMs} ms later for ${(event.forMs / 1000).toFixed(1)} s`;
    case 'loss':
      return `drop ${event.percent} % of what ${event.worker} sends for ${(event.forMs / 1000).toFixed(1)} s`;
    case 'throttle':
      return `limit ${event.worker} to ${(event.kilobits / 1000).toFixed(0)} Mbit/s for ${(event.forMs / 1000).toFixed(1)} s`;
    case 'restart':
      return `kill ${event.process}, which is then restarted`;
  }
}

/** Lists the actions in the schedule, and those left out with the reasons. */
export function describeAbilities({ restartable, network, lacks }: Abilities): string[] {
  const actions = ['kill', 'stop', 'drain', 'join', ...restartable.map((name) => `restart ${name}`), ...network];
  return [`  actions      ${actions.join(', ')}`, ...lacks.map(({ what, reason }) => `  left out     ${what}: ${reason}`)];
}

/** Formats milliseconds. */
export function seconds(ms: number | undefined): string {
  return ms === undefined ? 'never' : `${(ms / 1000).toFixed(2)} s`;
}

/** Formats a summary as lines. */
export function describeSummary(summary: ChaosSummary): string[] {
  const done = Object.entries(summary.done)
    .map(([kind, count]) => `${count} x ${kind}`)
    .join(', ');
  const { recoveryMsP50, recoveryMsMax, unrecovered, goodput, generations } = summary;
  const never = unrecovered > 0 ? `; none after ${unrecovered} of them` : '';
  const share = goodput === undefined ? 'unknown' : `${(100 * goodput).toFixed(1)} % of the time went into steps that lasted`;
  return [
    `  events       ${done === '' ? 'none' : done}${summary.skipped > 0 ? `; ${summary.skipped} not done` : ''}`,
    `  recovery     median ${seconds(recoveryMsP50)}, longest ${seconds(recoveryMsMax)}${never}`,
    `  goodput      ${share}, over ${generations} views`,
  ];
}
