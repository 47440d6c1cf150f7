import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * When a process began: a text that no other process with its id on this machine has, as packages/protocol/src/process/processIdentity.ts
 * makes one; nothing is built yet when this runs. Undefined when there is no such process, or no way to find out.
 */
export function processStart(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return startFromPs(pid);
  }
}

function startFromPs(pid) {
  try {
    const env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC0' };
    const stdio = ['ignore', 'pipe', 'ignore'];
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { env, encoding: 'latin1', stdio }).trim() || undefined;
  } catch {
    return undefined;
  }
}
