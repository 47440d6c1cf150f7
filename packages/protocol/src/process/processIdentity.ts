import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isAlive } from '../wire/isAlive.ts';

/** One process and no other: ids are used again, also after a restart of the machine. */
export interface ProcessIdentity {
  readonly pid: number;
  /** What {@link processStart} gave for it; undefined where the machine tells no start, and in records of earlier versions. */
  readonly started?: string | undefined;
}

/**
 * Fields of `/proc/PID/stat` behind the name in brackets, which may hold blanks; the start, in ticks since boot, is the 22nd of all
 * (proc(5)).
 */
const START_FIELD = 22 - 3;
/** Hexadecimal digits: enough to tell the processes of one machine that had the same id. */
const DIGITS = 12;

/**
 * When a process began, as 12 hexadecimal digits that no earlier or later process with its id on this machine has.
 * Undefined when there is no such process, or no way to find out.
 */
export function processStart(pid: number): string | undefined {
  const began = startFromProc(pid) ?? startFromPs(pid);
  return began === undefined ? undefined : createHash('sha256').update(began).digest('hex').slice(0, DIGITS);
}

/** Of this process unless a pid is given. */
export function identifyProcess(pid: number = process.pid): ProcessIdentity {
  const started = processStart(pid);
  return { pid, ...(started !== undefined && { started }) };
}

/**
 * Whether the very process runs. One whose start is not recorded, or cannot be found out now, counts as running as long as its id is in
 * use.
 */
export function mayRun({ pid, started }: ProcessIdentity): boolean {
  if (!isAlive(pid)) return false;
  const now = started === undefined ? undefined : processStart(pid);
  return now === undefined || now === started;
}

/** Whether the very process runs, for certain as far as this machine can tell: to be asked before a signal is sent. */
export function isRunning({ pid, started }: ProcessIdentity): boolean {
  return Number.isSafeInteger(pid) && pid > 0 && isAlive(pid) && processStart(pid) === started;
}

function startFromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_FIELD];
    return ticks === undefined ? undefined : `${bootId()} ${ticks}`;
  } catch {
    return undefined;
  }
}

/** Ticks are counted from the start of the machine. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

/** Systems without /proc, such as macOS. POSIX's `ps` has no start; BSD's and procps' have. */
export function startFromPs(pid: number): string | undefined {
  try {
    const env = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC0' };
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { env, encoding: 'latin1', stdio: ['ignore', 'pipe', 'ignore'] });
    return text.trim() || undefined;
  } catch {
    return undefined;
  }
}
