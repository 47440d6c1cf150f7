import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { renderGrid } from '@maestro/data';
import { isTerminal, type Job } from '@maestro/protocol';
import { smallJob } from './smallJob.ts';

/** Images of a folder that {@link FolderCluster.writeImages} writes. */
export const IMAGES = 200;

/** Two workers, each in a folder of its own below `dir`: `one` and `two`. What lies below /proc/self/cwd is as on a machine of its own. */
export interface FolderCluster {
  readonly dir: string;
  readonly cluster: Cluster;
  readonly client: JobClient;
  /** Writes a folder of small colour pictures in two classes, the first `broken` of which are cut short. */
  writeImages(name: string, options: { readonly broken: number }): Promise<string>;
  /** Trains to the end. `data` is what the job file says beside the path; these sets are of few images, and by default train on all. */
  train(path: string, workers: number, steps?: number, data?: object): Promise<Job>;
  stop(): Promise<void>;
}

/** Starts a cluster for jobs on folders of images. */
export async function openFolderCluster(name: string): Promise<FolderCluster> {
  const dir = await mkdtemp(join(tmpdir(), `maestro-${name}-`));
  const cluster = await startCluster({ workers: 1, dataDir: join(dir, 'data'), env: await startedIn(dir, 'one') });
  await cluster.addWorker({ env: await startedIn(dir, 'two') });
  await cluster.connected(2);
  const client = connectJobClient(cluster.coordinator);
  return {
    dir,
    cluster,
    client,
    async writeImages(folder, { broken }) {
      const root = join(dir, folder);
      for (const kind of ['cats', 'dogs']) await mkdir(join(root, kind), { recursive: true });
      for (let n = 0; n < IMAGES; n++) {
        const png = await picture(n);
        const path = join(root, n % 2 === 0 ? 'cats' : 'dogs', `${String(n).padStart(3, '0')}.png`);
        await writeFile(path, n < broken ? png.subarray(0, 40) : png);
      }
      return root;
    },
    async train(path, workers, steps = 6, data = { holdOut: 0 }) {
      const spec = smallJob({ path, workers, steps });
      const job = await client.submitJob({
        spec: { ...spec, data: { format: 'image-folder', path, ...data }, model: { ...(spec['model'] as object), channels: 3 } },
      });
      for await (const now of client.watchJob(job.id)) if (isTerminal(now.state)) return now;
      throw new Error('the watch ended before the job');
    },
    async stop() {
      client.close();
      await cluster.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Variables that let a process work in a folder of its own. */
async function startedIn(dir: string, folder: string): Promise<Record<string, string>> {
  const [place, script] = [join(dir, folder), join(dir, `${folder}.mjs`)];
  await mkdir(place);
  await writeFile(
    script,
    `import { isMainThread } from 'node:worker_threads';\nif (isMainThread) process.chdir(${JSON.stringify(place)});\n`,
  );
  return { NODE_OPTIONS: `--import=${script}` };
}

async function picture(n: number): Promise<Uint8Array> {
  const tile = Float32Array.from({ length: 3 * 20 * 20 }, (_, i) => ((i * (n + 1)) % 97) / 97);
  return renderGrid({
    rows: [[tile]],
    size: 20,
    channels: 3,
    normalisation: { mean: [0, 0, 0], std: [1, 1, 1] },
    scale: 1,
    gap: 0,
  });
}
