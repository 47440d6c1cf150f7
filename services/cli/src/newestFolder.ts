import { describeFallback, newestValidCheckpoint } from '@maestro/checkpoint';
import { MaestroError } from '@maestro/protocol';
import { resolveLocation } from '@maestro/storage';
import { checkpointsOf } from './checkpointsOf.ts';

/** The checkpoint that is meant: a folder as it stands, of a job the newest that is whole. Which ones were passed over is told on standard error. */
export async function newestFolder(dataDir: string, target: string): Promise<string> {
  if (!target.startsWith('job-')) return resolveLocation(target);
  const root = checkpointsOf(dataDir, target);
  const newest = await newestValidCheckpoint(root);
  const fallback = describeFallback(newest);
  if (fallback !== undefined) process.stderr.write(`maestro: ${fallback}\n`);
  if (newest.checkpoint === undefined)
    throw new MaestroError('not-found', `no valid checkpoint in ${root}; \`maestro jobs\` tells how far a job is`);
  return newest.checkpoint.dir;
}
