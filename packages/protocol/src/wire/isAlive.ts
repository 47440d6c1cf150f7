import { readFileSync } from 'node:fs';

/** Whether there is a process with this id that has not ended; one that nobody has waited for yet has. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return true; // no /proc to ask
  }
}
