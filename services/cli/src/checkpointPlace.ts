import { resolve } from 'node:path';
import { checkpointRoot, describeFallback, listCheckpoints, newestValidCheckpoint } from '@maestro/checkpoint';
import { isMaestroError, MaestroError, readEnvironment } from '@maestro/protocol';
import { parentOf, resolveLocation } from '@maestro/storage';
import type { Command } from 'commander';
import { isJobId } from './options.ts';
import { withClient } from './withClient.ts';

/**
 * Where a job's checkpoints are: below `location`; else in the data folder or below `MAESTRO_CHECKPOINTS`; where nothing is there, the coordinator is
 * asked, which knows what the job's file says. What is no job id is taken as the place itself.
 */
export async function checkpointsOf(program: Command, job: string, location?: string): Promise<string> {
  if (!isJobId(job)) return resolveLocation(job);
  const dataDir = resolve(program.opts<{ dataDir: string }>().dataDir);
  const usual = checkpointRoot({ dataDir, jobId: job, location: location ?? readEnvironment()['MAESTRO_CHECKPOINTS'] });
  if (location !== undefined || (await listCheckpoints(usual)).length > 0) return usual;
  try {
    const [newest] = await withClient(program, (client) => client.listCheckpoints(job));
    return newest === undefined ? usual : parentOf(newest.path);
  } catch (error) {
    if (isMaestroError(error, 'unavailable') || isMaestroError(error, 'not-found')) return usual;
    throw error;
  }
}

/** The error of a place that has no checkpoints; `target` is how it was named. */
export function noCheckpoints(what: string, root: string, target: string): MaestroError {
  const advice = isJobId(target)
    ? "`maestro jobs` tells how far a job is; name another place with --location (as the job's file does) or --data-dir"
    : "name the folder that a job's checkpoints are in";
  return new MaestroError('not-found', `no ${what} in ${root}; ${advice}`);
}

/** The checkpoint that is meant: a folder as it stands, of a job the newest that is valid. Which ones were passed over is told on standard error. */
export async function newestFolder(program: Command, target: string, location?: string): Promise<string> {
  if (!isJobId(target)) return resolveLocation(target);
  const root = await checkpointsOf(program, target, location);
  const newest = await newestValidCheckpoint(root);
  const fallback = describeFallback(newest);
  if (fallback !== undefined) process.stderr.write(`maestro: ${fallback}\n`);
  if (newest.checkpoint === undefined) throw noCheckpoints('valid checkpoint', root, target);
  return newest.checkpoint.dir;
}
