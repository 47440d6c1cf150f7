import type { JobRun, RunWorker } from '../state/runState.ts';
import { workersById } from '../state/workersById.ts';
import { names, seconds } from '../view/turn.ts';

/** A step is slow when it takes this many times the mean, and at least this long. */
const SLOW_FACTOR = 3;
const SLOW_MS = 2000;
/** The same before any step is known: the first ones compile, allocate and read cold data. */
const SLOW_FIRST_MS = 10_000;
/**
 * A member that began its current phase within this time is making progress, for instance from one micro-batch to the next; a step that
 * takes this many times the mean is slow all the same.
 */
const STANDING_MS = 1500;
const SLOW_ANYWAY_FACTOR = 10;

/**
 * Describes what an unusually slow step waits for: `step 812: waiting for b at all-gather; last heard in compute for 4.1 s, 0.2 s ago`.
 * Undefined while all is normal. Names the members that others wait for and that wait for nobody among the members themselves.
 */
export function describeSlowStep({ phase, view, workers, step, stepSeconds, lastCommitMs }: JobRun, nowMs: number): string | undefined {
  if (phase !== 'running' || view === undefined || view.status === 'forming') return undefined;
  const quietMs = nowMs - Math.max(lastCommitMs, view.status === 'working' ? view.sinceMs : 0);
  if (quietMs <= (stepSeconds === 0 ? SLOW_FIRST_MS : Math.max(SLOW_MS, SLOW_FACTOR * 1000 * stepSeconds))) return undefined;
  const byId = workersById(workers);
  const members = view.members.flatMap(({ id }) => byId.get(id) ?? []);
  const waits = members.flatMap((member) => waitsOf(member, members));
  const all = members.filter((member) => isBlocker(member) && !waits.some(({ from }) => from === member.name));
  const isLong = quietMs > Math.max(SLOW_FIRST_MS, SLOW_ANYWAY_FACTOR * 1000 * stepSeconds);
  const stands = ({ phaseSeconds, lastHeardMs }: RunWorker): boolean => 1000 * phaseSeconds + nowMs - lastHeardMs >= STANDING_MS;
  const blockers = isLong ? all : all.filter(stands);
  if (all.length > 0 && blockers.length === 0) return undefined;
  const described = blockers.map((member) => {
    const at = [...new Set(waits.flatMap(({ to, at }) => (to === member.name ? [at] : [])))].join(' and ');
    return `${member.name}${at === '' ? '' : ` at ${at}`}; ${lastHeard(member, nowMs)}`;
  });
  if (described.length > 0) return `step ${step}: waiting for ${described.join('; and for ')}`;
  return `step ${step}: ${names(members)} wait for each other since ${seconds(quietMs)}`;
}

/** Parses whom a member waits for, from its heartbeat: `b at all-gather, c at reduce-scatter`. */
function waitsOf({ name: from, waitingFor }: RunWorker, members: readonly RunWorker[]): { from: string; to: string; at: string }[] {
  return waitingFor.split(', ').flatMap((text) => {
    const [to, at] = text.split(' at ');
    return at !== undefined && members.some(({ name }) => name === to) ? [{ from, to: to!, at }] : [];
  });
}

/** Returns true for a member that can hold others up: one that has ended its step cannot. */
function isBlocker({ status }: RunWorker): boolean {
  return status === 'working' || status === 'formed' || status === 'forming';
}

function lastHeard({ phase, phaseSeconds, waitingFor, lastHeardMs, awaySinceMs }: RunWorker, nowMs: number): string {
  const why = waitingFor === '' ? '' : ` (${waitingFor})`;
  const away = awaySinceMs === undefined ? '' : ', its control stream is broken';
  return `last heard in ${phase} for ${seconds(1000 * phaseSeconds)}${why}, ${seconds(nowMs - lastHeardMs)} ago${away}`;
}
