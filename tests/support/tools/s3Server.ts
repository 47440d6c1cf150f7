import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../eventually.ts';

/** An S3 server over its own folder, with one bucket. */
export interface S3Server {
  /** Variables of a process that uses it. */
  readonly env: Readonly<Record<string, string>>;
  /** `s3://` and the bucket's name. */
  readonly bucket: string;
  /** Folder of the bucket: shows what a client cannot see. */
  readonly folder: string;
  /** Kills the server; requests find nobody. */
  pause(): Promise<void>;
  /** Restarts it at the same address. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const { MAESTRO_S3_SERVER: program } = process.env;
const WHY_NOT = new URL('../../../../.maestro/s3/why-not.txt', import.meta.url);

/** Returns true when there is an S3 server to test with; otherwise prints the reason to standard error. */
export async function hasS3Server(): Promise<boolean> {
  if (program !== undefined) return true;
  const reason = await readFile(WHY_NOT, 'utf8').then(
    (text) => text.split('\n').slice(1).join(' '),
    () => 'none is built yet: `npm run test:rest` does, and `npm test` with a pattern that has s3 in it',
  );
  process.stderr.write(`tests with S3 are skipped: ${reason}\n`);
  return false;
}

/** Starts versitygw, which stores objects as files. */
export async function startS3Server(): Promise<S3Server> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-s3-'));
  const folder = join(dir, 'buckets', 'maestro');
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const env = { PATH: process.env['PATH'], ROOT_ACCESS_KEY: 'maestro', ROOT_SECRET_KEY: 'not-a-secret' };
    child = spawn(program!, ['--quiet', '--port', `127.0.0.1:${port}`, 'posix', join(dir, 'buckets')], { env, stdio: 'ignore' });
    const answers = (): Promise<boolean> =>
      fetch(endpoint).then(
        () => true,
        () => false,
      );
    await eventually('the S3 server to answer', answers);
  };
  const kill = async (): Promise<void> => {
    const ended = new Promise((resolve) => child?.once('close', resolve));
    if (child?.kill('SIGKILL')) await ended;
  };
  await start();
  return {
    env: { MAESTRO_S3_ENDPOINT: endpoint, AWS_ACCESS_KEY_ID: 'maestro', AWS_SECRET_ACCESS_KEY: 'not-a-secret', AWS_REGION: 'us-east-1' },
    bucket: 's3://maestro',
    folder,
    pause: kill,
    restart: start,
    async stop() {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Finds a port that is free now: the server does not accept 0. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
      .once('error', reject)
      .listen(0, '127.0.0.1', () => {
        const { port } = probe.address() as { port: number };
        probe.close(() => resolve(port));
      });
  });
}
