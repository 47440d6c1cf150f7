import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { smallJob } from '../support/cluster/smallJob.ts';
import { goTool } from '../support/tools/cachedTool.ts';

// The real grpcurl, which knows no more of the API than reflection tells it.
const TIMEOUT_MS = 120_000;
const GRPCURL = 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3';
const ADMIN = 'a-token-of-an-admin-of-tests';
const READ = 'a-token-of-a-reader-of-tests';

const found = await goTool('grpcurl', GRPCURL);
const toolTest = 'path' in found ? test : test.skip;
const why = 'path' in found ? '' : ` (skipped: ${found.reason})`;
const run = promisify(execFile);

let dir: string;
let cluster: Cluster;

beforeAll(async () => {
  if (!('path' in found)) return;
  dir = await mkdtemp(join(tmpdir(), 'maestro-grpcurl-'));
  const env = { MAESTRO_TOKENS: `anna:admin:${ADMIN}\nrita:read:${READ}`, MAESTRO_TOKEN: ADMIN };
  cluster = await startCluster({ workers: 0, dataDir: dir, env });
}, TIMEOUT_MS);

afterAll(async () => {
  await cluster?.stop();
  if (dir !== undefined) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}, TIMEOUT_MS);

/** What grpcurl says. `data` is the request's message. @throws Error with grpcurl's own text. */
async function ask(what: readonly string[], { token = READ, data }: { readonly token?: string; readonly data?: object } = {}) {
  if (!('path' in found)) throw new Error(found.reason);
  const message = data === undefined ? [] : ['-d', JSON.stringify(data)];
  const { stdout } = await run(found.path, [
    '-plaintext',
    '-H',
    `authorization: Bearer ${token}`,
    ...message,
    cluster.coordinator,
    ...what,
  ]);
  return stdout.trim();
}

toolTest(
  `every service and every message is listed and described over reflection${why}`,
  async () => {
    const services = (await ask(['list'])).split('\n');
    expect(services).toEqual(['grpc.health.v1.Health', 'maestro.v1.Jobs']);
    const described = new Map<string, string>();
    const waiting = services;
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      const text = await ask(['describe', name]);
      described.set(name, text);
      // Types are named by their whole path, with a dot before it.
      for (const [, type] of text.matchAll(/(?<![\w.])\.((?:maestro|grpc|google)\.[\w.]+)/g))
        if (!described.has(type!) && !waiting.includes(type!)) waiting.push(type!);
    }
    expect([...described.keys()]).toEqual(
      expect.arrayContaining(['maestro.v1.SubmitJobRequest', 'maestro.v1.Job', 'grpc.health.v1.HealthCheckRequest']),
    );
    expect(described.get('maestro.v1.Jobs')).toContain('rpc SubmitJob ( .maestro.v1.SubmitJobRequest ) returns ( .maestro.v1.Job );');
    for (const text of described.values()) expect(text).toMatch(/ is an? (service|message|enum):/);
  },
  TIMEOUT_MS,
);

toolTest(
  `health answers, a job is submitted and listed, and a token decides who may${why}`,
  async () => {
    expect(JSON.parse(await ask(['grpc.health.v1.Health/Check']))).toEqual({ status: 'SERVING' });
    const data = { specJson: JSON.stringify(smallJob({ path: '/nowhere', workers: 1 })) };
    await expect(ask(['maestro.v1.Jobs/SubmitJob'], { data })).rejects.toThrow('Code: PermissionDenied');
    expect(JSON.parse(await ask(['maestro.v1.Jobs/SubmitJob'], { token: ADMIN, data }))).toMatchObject({ name: 'small', state: 'queued' });
    expect(JSON.parse(await ask(['maestro.v1.Jobs/ListJobs']))).toMatchObject({ jobs: [{ name: 'small' }] });
    await expect(ask(['maestro.v1.Jobs/ListJobs'], { token: 'nobody-has-this-token' })).rejects.toThrow('Unauthenticated');
  },
  TIMEOUT_MS,
);
