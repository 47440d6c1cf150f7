import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { demoJob, fashionMnist } from '@maestro/cli';
import { openDataset } from '@maestro/data';
import { MaestroError } from '@maestro/protocol';
import { fileOf } from '../support/repository.ts';

/** Of the demo, of the stack and of the cluster whose hosts are far apart. */
export const DEMO_WORKERS = 2;
/** What `docs/measurements.md` gives the hash of. */
const STEPS = 40;
/** TCP without BBR takes a loss for a full network: one step over the lossy links takes most of a minute then. */
const STEPS_WITHOUT_BBR = 6;
/** It takes seconds, but images are built meanwhile, and the machine may be anybody's. */
const DEMO_MS = 900_000;
/** The folder of the data set in the folder of images, as in the demo's own. */
const FOLDER = 'fashion-mnist';

/** The demo's job, to be trained in several places. */
export interface Demo {
  readonly steps: number;
  /** Its job file, for images that are seen at `images`. */
  specFor(images: string): Record<string, unknown>;
  /** Runs the demo itself, as people do; gives the hash that it ends with. */
  run(signal: AbortSignal): Promise<string>;
}

/**
 * Puts the demo's data set into `images`, readable for the containers' user.
 * @throws MaestroError `unavailable` when it cannot be had.
 */
export async function prepareDemo(dir: string, images: string): Promise<Demo> {
  const path = join(images, FOLDER);
  await cp(await fashionMnist(resolve('.maestro', 'data'), () => undefined), path, { recursive: true });
  const congestionControl = await readFile('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').catch(() => '');
  const steps = congestionControl.trim() === 'bbr' ? STEPS : STEPS_WITHOUT_BBR;
  const { channels, length: samples } = await openDataset({ format: 'idx', path, split: 'train' });
  return {
    steps,
    specFor: (seen) =>
      demoJob({ data: { format: 'idx', path: join(seen, FOLDER), split: 'train' }, channels, workers: DEMO_WORKERS, samples, steps }),
    async run(signal) {
      const home = join(dir, 'demo');
      await mkdir(join(home, '.maestro'), { recursive: true });
      await symlink(images, join(home, '.maestro', 'data'));
      const program = fileOf('services/cli/dist/demo/main.js');
      const args = [program, '--steps', `${steps}`, '--workers', `${DEMO_WORKERS}`];
      return hashTold(spawn(process.execPath, args, { cwd: home, timeout: DEMO_MS, killSignal: 'SIGKILL', signal }));
    },
  };
}

/** The hash that the demo tells when it has trained and its cluster has ended. What it has learned is not asked for: that takes longer. */
async function hashTold(demo: ChildProcessWithoutNullStreams): Promise<string> {
  let said = '';
  const told = new Promise<string | undefined>((resolve) => {
    for (const stream of [demo.stdout, demo.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        const hash = /checkpoint hash ([0-9a-f]{64})/.exec(said)?.[1];
        if (hash !== undefined) resolve(hash);
      });
    }
    for (const end of ['error', 'close']) demo.once(end, () => resolve(undefined));
  });
  const hash = await told;
  demo.kill('SIGKILL');
  if (hash === undefined) throw new MaestroError('internal', `npm run demo ended without a hash:\n${said.trimEnd().slice(-1000)}`);
  return hash;
}
