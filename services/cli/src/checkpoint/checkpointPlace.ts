import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  checkpointRoot,
  describeFallback,
  describeProblems,
  folderOwner,
  glanceAtCheckpoint,
  listCheckpoints,
  newestValidCheckpoint,
} from '@maestro/checkpoint';
import { isMaestroError, type JobSpec, MaestroError, readEnvironment, recipeInfos } from '@maestro/protocol';
import { isUrl, parentOf, resolveLocation } from '@maestro/storage';
import type { Command } from 'commander';
import { printable } from '../terminal/printResult.ts';
import { withClient } from '../terminal/withClient.ts';

const WHOLE_ID = /^job-[0-9a-z]{26}$/;

/**
 * Returns the id of the job that a target means; undefined when it means a location. An existing file or folder, or a path of several
 * names, is a location. Otherwise asks the coordinator, which knows jobs by name; when none answers, searches the jobs of the data folder.
 */
export async function jobMeant(program: Command, target: string): Promise<string | undefined> {
  if (WHOLE_ID.test(target)) return target;
  if (isUrl(target) || target.includes('/') || (await stat(target).catch(() => undefined)) !== undefined) return undefined;
  try {
    return await withClient(program, async (client) => (await client.getJob(target)).id);
  } catch (error) {
    const isUnknown = isMaestroError(error, 'not-found');
    if (!isUnknown && !isMaestroError(error, 'unavailable')) throw error;
    if (isUnknown && target.startsWith('@')) throw error;
    const ids = await readdir(join(resolve(program.opts<{ dataDir: string }>().dataDir), 'jobs')).catch(() => []);
    if (target === '@last') return ids.sort().at(-1);
    const begun = ids.filter((id) => id.startsWith(target));
    return begun.length === 1 ? begun[0] : target.startsWith('job-') ? target : undefined;
  }
}

/** A place with checkpoints, and the job whose place it is; `job` is undefined when a location was named. */
export interface CheckpointPlace {
  readonly root: string;
  readonly job: string | undefined;
}

/**
 * Returns the location of a job's checkpoints: below `location`; otherwise in the data folder or below `MAESTRO_CHECKPOINTS`; when nothing
 * is there, asks the coordinator, which knows the job's file. A target that names no job is the location itself.
 */
export async function checkpointsOf(program: Command, target: string, location?: string): Promise<CheckpointPlace> {
  const job = await jobMeant(program, target);
  return { root: job === undefined ? resolveLocation(target) : await placeOf(program, job, location), job };
}

async function placeOf(program: Command, job: string, location: string | undefined): Promise<string> {
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

/** Returns the error for a location without checkpoints; `job`: the id of the job that it was given as. */
export async function noCheckpoints(program: Command, what: string, root: string, job: string | undefined): Promise<MaestroError> {
  const measured = job === undefined ? undefined : await measuredBy(program, job);
  if (measured !== undefined) return new MaestroError('not-found', measured);
  const advice =
    job !== undefined
      ? 'run `maestro jobs` to see how far the job is; if its checkpoints are elsewhere, name the place with --location or --data-dir'
      : "name the folder that holds a job's checkpoints";
  return new MaestroError('not-found', `no ${what} in ${root}; ${advice}`);
}

/** Returns what a job that measures has in place of checkpoints; undefined for one that trains, or when no coordinator answers. */
async function measuredBy(program: Command, id: string): Promise<string | undefined> {
  try {
    const { specJson } = await withClient(program, (client) => client.getJob(id));
    const { recipe, checkpoint } = JSON.parse(specJson) as JobSpec;
    if (recipeInfos().find((each) => each.id === recipe)?.verb !== 'measuring') return undefined;
    return `job ${id} has no checkpoints: recipe ${recipe} measures one, ${checkpoint.resumeFrom}, and writes none; name that`;
  } catch (error) {
    if (isMaestroError(error, 'unavailable') || isMaestroError(error, 'not-found')) return undefined;
    throw error;
  }
}

/**
 * Returns the checkpoint that a target means: a folder as it is, or a job's newest checkpoint that is valid and its own. Prints to standard
 * error what was passed over, and that a folder holds a checkpoint of another job than the one it belongs to.
 */
export async function newestFolder(program: Command, target: string, location?: string): Promise<string> {
  const job = await jobMeant(program, target);
  if (job === undefined) {
    const dir = resolveLocation(target);
    await warnOfWriter(dir);
    return dir;
  }
  const root = await placeOf(program, job, location);
  const newest = await newestValidCheckpoint(root, { job });
  const fallback = describeFallback(newest);
  if (fallback !== undefined) process.stderr.write(`maestro: ${printable(fallback)}\n`);
  if (newest.checkpoint === undefined) throw await noCheckpoints(program, 'valid checkpoint', root, job);
  return newest.checkpoint.dir;
}

/** A named folder is used as it is, with a warning when it belongs to another job than its location says. */
async function warnOfWriter(dir: string): Promise<void> {
  const job = folderOwner(dir);
  if (job === undefined) return;
  // The next reader reports what cannot be read at all.
  const found = await glanceAtCheckpoint(dir, { job }).catch(() => undefined);
  if (found?.valid === false) process.stderr.write(`maestro: warning: ${printable(`${dir}: ${describeProblems(found.problems)}`)}\n`);
}
