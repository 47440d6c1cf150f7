import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isAlive } from '../wire/isAlive.ts';

/** Identifies one process and no other: ids are reused, also after a reboot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Result of {@link processStart}; undefined when the machine reports no start time, and in records of earlier versions. */
  readonly started?: string | undefined;
}

/**
 * Index in `/proc/PID/stat` after the name in brackets, which may contain blanks; the start, in ticks since boot, is field 22 overall
 * (proc(5)).
 */
const START_FIELD = 22 - 3;
/** Hexadecimal digits: enough to distinguish the processes of one machine that had the same id. */
const DIGITS = 12;

/**
 * Returns a process's start as 12 hexadecimal digits that no earlier or later process with its id on this machine has. Undefined when there
 * is no such process, or no way to find out.
 */
export function processStart(pid: number): string | undefined {
  const began = startFromProc(pid) ?? startFromPs(pid);
  return began === undefined ? undefined : createHash('sha256').update(began).digest('hex').slice(0, DIGITS);
}

/** Identifies this process unless a pid is given. */
export function identifyProcess(pid: number = process.pid): ProcessIdentity {
  const started = processStart(pid);
  return { pid, ...(started !== undefined && { started }) };
}

/**
 * True when this very process may be running. One whose start is not recorded, or cannot be determined now, counts as running while its id
 * is in use.
 */
export function mayRun({ pid, started }: ProcessIdentity): boolean {
  if (!isAlive(pid)) return false;
  const now = started === undefined ? undefined : processStart(pid);
  return now === undefined || now === started;
}

/** True when this very process is running, for certain as far as this machine can tell: check it before sending a signal. */
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

/** Ticks are counted from the boot of the machine. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

/** For systems without /proc, such as macOS. POSIX's `ps` has no start time; BSD's and procps' have. */
export function startFromPs(pid: number): string | undefined {
  try {
    const env = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC0' };
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { env, encoding: 'latin1', stdio: ['ignore', 'pipe', 'ignore'] });
    return text.trim() || undefined;
  } catch {
    return undefined;
  }
}
