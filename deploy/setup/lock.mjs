import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { root, say } from './environment.mjs';
import { processStart } from './processStart.mjs';

const LOCK = join(root, '.maestro/setup.lock');
const POLL_MS = 100;
const RELEASED = 'released';

/**
 * Runs `work` while no other set-up of this clone works. The lock is a folder of numbered claims, and belongs to the highest one: who finds
 * that released, or its process gone, makes the next, which only one process can. Nobody removes a claim that may be in use.
 */
export async function withLock(work, folder = LOCK) {
  const self = [process.pid, processStart(process.pid)].join('\n');
  mkdirSync(folder, { recursive: true });
  let hasSaid = false;
  let claim;
  while (claim === undefined) {
    const last = lastClaim(folder);
    const owner = last === 0 ? RELEASED : ownerOf(folder, last);
    if (owner === RELEASED || (owner !== undefined && !isRunning(owner))) claim = takeClaim(folder, last + 1, self);
    else {
      if (!hasSaid) say(`waiting for another set-up of this clone${owner === undefined ? '' : ` (process ${owner.split('\n')[0]})`}`);
      hasSaid = true;
      await setTimeout(POLL_MS);
    }
  }
  const release = () => {
    writeFileSync(scratch(folder), RELEASED);
    renameSync(scratch(folder), join(folder, String(claim)));
  };
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

const scratch = (folder) => join(folder, `new.${process.pid}`);

/** The number of the highest claim, or 0. */
function lastClaim(folder) {
  return Math.max(0, ...readdirSync(folder).map(Number).filter(Number.isInteger));
}

/**
 * The claim's number, or undefined when another process was faster. A claim appears with its content, by a link that fails where one is.
 */
function takeClaim(folder, number, self) {
  const path = join(folder, String(number));
  writeFileSync(scratch(folder), self);
  try {
    linkSync(scratch(folder), path);
  } catch (error) {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  } finally {
    rmSync(scratch(folder), { force: true });
  }
  // The number may have been used and removed since we looked: then there is a higher one.
  if (lastClaim(folder) !== number) {
    rmSync(path, { force: true });
    return undefined;
  }
  for (const name of readdirSync(folder)) if (Number(name) < number) rmSync(join(folder, name), { force: true });
  return number;
}

function ownerOf(folder, claim) {
  try {
    return readFileSync(join(folder, String(claim)), 'utf8');
  } catch {
    return undefined; // A newer claim has taken its place.
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
