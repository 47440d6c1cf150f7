import type { ChaosSummary } from './runChaos.ts';
import type { ChaosEvent } from './schedule.ts';

/** An event in a line: when, what, to whom. */
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
    case 'restart':
      return `kill ${event.process}, which is started again`;
  }
}

/** Milliseconds for people. */
export function seconds(ms: number | undefined): string {
  return ms === undefined ? 'never' : `${(ms / 1000).toFixed(2)} s`;
}

/** A summary in lines. */
export function describeSummary(summary: ChaosSummary): string[] {
  const done = Object.entries(summary.done)
    .map(([kind, count]) => `${count} x ${kind}`)
    .join(', ');
  return [
    `  events       ${done === '' ? 'none' : done}${summary.skipped > 0 ? `; ${summary.skipped} not done` : ''}`,
    `  recovery     median ${seconds(summary.recoveryMsP50)}, longest ${seconds(summary.recoveryMsMax)}${summary.unrecovered > 0 ? `; none after ${summary.unrecovered} of them` : ''}`,
    `  goodput      ${summary.goodput === undefined ? 'unknown' : `${(100 * summary.goodput).toFixed(1)} % of the time went into steps that lasted`}, over ${summary.generations} views`,
  ];
}
