import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { writeBlobs } from './blobs.ts';
import { type CliResult, runCli, startCli } from './runCli.ts';
import { smallJob } from './smallJob.ts';

/** A folder with a running `maestro up` of two workers, and a small job's file. */
export interface CliCluster {
  /** Has `job.json`, and its images in `blobs`. */
  readonly dir: string;
  readonly up: ChildProcess;
  /** Runs `maestro ARGS` in the folder. */
  maestro(...args: string[]): Promise<CliResult>;
  stop(): Promise<void>;
}

/** Starts a cluster by the command line, as people do. */
export async function openCliCluster(name: string): Promise<CliCluster> {
  const dir = await mkdtemp(join(tmpdir(), `maestro-${name}-`));
  const path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  await writeFile(join(dir, 'job.json'), JSON.stringify({ ...smallJob({ path, workers: 2 }), data: { format: 'idx', path: 'blobs' } }));
  const up = startCli(['up', '--workers', '2', '--port', '0'], dir);
  for await (const line of createInterface({ input: up.stdout! })) {
    if (line.startsWith('ready')) break;
  }
  return {
    dir,
    up,
    maestro: (...args) => runCli(args, dir),
    async stop() {
      up.kill('SIGTERM');
      await rm(dir, { recursive: true, force: true });
    },
  };
}
