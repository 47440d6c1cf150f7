import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { root, say } from './environment.mjs';
import { processStart } from './processStart.mjs';

const LOCK = join(root, '.maestro/setup.lock');
const POLL_MS = 100;

/** Runs `work` while no other set-up of this clone works. The lock of a process that died is taken over. */
export async function withLock(work, path = LOCK) {
  const self = [process.pid, processStart(process.pid)].join('\n');
  let hasSaid = false;
  while (!tryLock(path, self)) {
    const owner = ownerOf(path);
    if (owner !== undefined && !isRunning(owner)) takeAway(path, owner);
    else {
      if (!hasSaid) say(`waiting for another set-up of this clone${owner === undefined ? '' : ` (process ${owner.split('\n')[0]})`}`);
      hasSaid = true;
      await setTimeout(POLL_MS);
    }
  }
  // The name of a lock that is let go changes before its content goes, so that it is never seen half removed.
  const release = () => takeAway(path, self);
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

/** A folder with the owner's number and start in it appears whole, by a rename, or not at all: a rename onto a filled folder fails. */
function tryLock(path, self) {
  const mine = `${path}.${process.pid}`;
  mkdirSync(mine, { recursive: true });
  writeFileSync(join(mine, 'pid'), self);
  try {
    renameSync(mine, path);
    return true;
  } catch {
    rmSync(mine, { recursive: true, force: true });
    return false;
  }
}

/** Removes the lock if it is still that owner's; another may have taken it over since we looked, and then gets it back. */
function takeAway(path, owner) {
  const aside = join(dirname(path), `setup.unlock.${process.pid}`);
  try {
    renameSync(path, aside);
  } catch {
    return; // It is gone already.
  }
  if (ownerOf(aside) !== owner) {
    try {
      renameSync(aside, path);
      return;
    } catch {
      // A third has locked meanwhile: two set-ups then work at once, which costs time and breaks nothing that npm and tsc do not mend.
    }
  }
  rmSync(aside, { recursive: true, force: true });
}

function ownerOf(path) {
  try {
    return readFileSync(join(path, 'pid'), 'utf8');
  } catch {
    return undefined;
  }
}

/** Whether the very process runs; the number may be another's by now, and is all that there is where no start can be found out. */
function isRunning(owner) {
  const [pid, started] = owner.split('\n');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  const now = started ? processStart(Number(pid)) : undefined;
  return now === undefined || now === started;
}
