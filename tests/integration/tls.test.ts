import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal, readTls, type TlsFiles } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { runCli } from '../support/cluster/runCli.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 300_000;
const TOKEN = 't'.repeat(32);

let dir: string;
let cluster: Cluster;
let tls: TlsFiles;
let stranger: TlsFiles;

async function makeCertificates(folder: string): Promise<Record<string, string>> {
  const { code, stdout, stderr } = await runCli(['certs', 'init', join(dir, folder)], dir);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return Object.fromEntries([...stdout.matchAll(/(MAESTRO_TLS_\w+)=(\S+)/g)].map(([, name, path]) => [name!, path!]));
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-tls-'));
  const files = await makeCertificates('ours');
  tls = readTls(files)!;
  stranger = readTls(await makeCertificates('theirs'))!;
  const env = { ...files, MAESTRO_TOKENS: `admin:admin:${TOKEN}`, MAESTRO_TOKEN: TOKEN };
  cluster = await startCluster({ workers: 2, dataDir: join(dir, 'data'), env });
}, TIMEOUT_MS);

afterAll(async () => {
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}, TIMEOUT_MS);

/** Whether a TLS client is let in, with or without a certificate: a server that refuses one says so after the handshake. */
function isLetIn(
  address: string,
  { ca, ...own }: { readonly ca: Buffer; readonly cert?: Buffer; readonly key?: Buffer },
): Promise<boolean> {
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connectTls({ host: host!, port: Number(port), ca, ...own, ALPNProtocols: ['h2'] });
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
    // The first frame of an HTTP/2 server, its settings.
    socket.on('data', () => {
      resolve(true);
      socket.destroy();
    });
  });
}

/** What a server answers to a plain HTTP/2 client. */
function plainAnswer(address: string): Promise<string> {
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host: host!, port: Number(port) }, () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'));
    let heard = '';
    socket.on('data', (bytes: Buffer) => {
      heard += bytes.toString('latin1');
    });
    socket.on('error', () => resolve(heard));
    socket.on('close', () => resolve(heard));
  });
}

test(
  'coordinator and workers train over mutual TLS, and let in nobody without a certificate of their authority',
  async () => {
    const client = connectJobClient(cluster.coordinator, { token: TOKEN, tls });
    const { id } = await client.submitJob({
      spec: smallJob({ path: await writeBlobs(join(dir, 'images'), { count: 192 }), workers: 2, steps: 6 }),
    });
    const ended = await eventually('the job to end', async () => {
      const job = await client.getJob(id);
      return isTerminal(job.state) && job;
    });
    expect(ended).toMatchObject({ state: 'succeeded', progress: { step: 6 } });
    expect((await client.auditJob(id)).workers).toHaveLength(2);

    const doors = [cluster.coordinator, ...(await client.listWorkers()).map(({ address }) => address)];
    expect(doors).toHaveLength(3);
    for (const door of doors) {
      expect(await isLetIn(door, tls)).toBe(true);
      expect(await isLetIn(door, { ca: tls.ca })).toBe(false);
      expect(await isLetIn(door, { ...stranger, ca: tls.ca })).toBe(false);
      expect(await plainAnswer(door)).not.toContain('\0\0\0\x04');
    }
    client.close();
    // A certificate alone makes nobody an operator.
    const nameless = connectJobClient(cluster.coordinator, { token: '', tls });
    await expect(nameless.listJobs()).rejects.toMatchObject({ code: 'unauthenticated' });
    nameless.close();
  },
  TIMEOUT_MS,
);
