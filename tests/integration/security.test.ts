import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { smallJob } from '../support/cluster/smallJob.ts';

const TIMEOUT_MS = 300_000;
const TOKENS = { admin: 'a'.repeat(24), submit: 's'.repeat(24), read: 'r'.repeat(24), worker: 'w'.repeat(24) } as const;
/** A read token whose name is that of the admin's. */
const TWIN = 't'.repeat(24);
type Who = keyof typeof TOKENS;

let dir: string;
let images: string;
let cluster: Cluster;
let base: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-security-'));
  images = join(dir, 'images');
  await mkdir(images);
  const tokens = Object.entries(TOKENS).map(([role, token]) => `${role}-person:${role}:${token}`);
  const env = {
    MAESTRO_TOKENS: [...tokens, `admin-person:read:${TWIN}`].join('\n'),
    MAESTRO_TOKEN: TOKENS.admin,
    MAESTRO_DATA_ROOTS: images,
  };
  cluster = await startCluster({ workers: 0, dataDir: join(dir, 'data'), env });
  base = `http://${cluster.http}`;
}, TIMEOUT_MS);

afterAll(async () => {
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}, TIMEOUT_MS);

const spec = (path: string): Record<string, unknown> => smallJob({ path, workers: 1 });

async function ask(method: string, path: string, headers: Record<string, string> = {}, body?: unknown) {
  const response = await fetch(`${base}${path}`, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = (response.headers.get('content-type') ?? '').includes('json') ? JSON.parse(text) : {};
  return { status: response.status, headers: response.headers, body: json as Record<string, unknown> & { readonly code?: string } };
}

const bearer = (who: Who) => ({ authorization: `Bearer ${TOKENS[who]}` });

describe('roles', () => {
  const routes = [
    { method: 'GET', path: '/api/v1/jobs', needs: 'read' },
    { method: 'POST', path: '/api/v1/jobs', needs: 'submit' },
    { method: 'POST', path: '/api/v1/workers/nobody/drain', needs: 'admin' },
  ] as const;
  const allowed: Readonly<Record<string, readonly Who[]>> = {
    read: ['admin', 'submit', 'read'],
    submit: ['admin', 'submit'],
    admin: ['admin'],
  };

  test('decide over HTTP who may read, submit and drain', async () => {
    for (const { method, path, needs } of routes) {
      const body = method === 'POST' && path.endsWith('/jobs') ? spec(images) : undefined;
      expect(await ask(method, path, {}, body)).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
      for (const who of Object.keys(TOKENS) as Who[]) {
        const { status, body: answer } = await ask(method, path, bearer(who), body);
        if (allowed[needs]!.includes(who)) expect([200, 201, 404]).toContain(status);
        else expect({ who, path, status, code: answer.code }).toEqual({ who, path, status: 403, code: 'permission-denied' });
      }
    }
  });

  test('decide over gRPC just the same', async () => {
    const outcome = async (token: string, work: (client: ReturnType<typeof connectJobClient>) => Promise<unknown>): Promise<string> => {
      const client = connectJobClient(cluster.coordinator, { token });
      const result = await work(client).then(
        () => 'ok',
        (error: { code: string }) => error.code,
      );
      client.close();
      return result;
    };
    expect(await outcome('', (client) => client.listJobs())).toBe('unauthenticated');
    expect(await outcome(TOKENS.worker, (client) => client.listJobs())).toBe('permission-denied');
    expect(await outcome(TOKENS.read, (client) => client.listJobs())).toBe('ok');
    expect(await outcome(TOKENS.read, (client) => client.submitJob({ spec: spec(images) }))).toBe('permission-denied');
    expect(await outcome(TOKENS.submit, (client) => client.submitJob({ spec: spec(images) }))).toBe('ok');
    expect(await outcome(TOKENS.submit, (client) => client.drainWorker('nobody'))).toBe('permission-denied');
    expect(await outcome(TOKENS.admin, (client) => client.drainWorker('nobody'))).toBe('not-found');
  });
});

test('a session cookie stands for its token, is kept from scripts and other sites, and a changed one is worth nothing', async () => {
  expect(await ask('GET', '/api/v1/session')).toMatchObject({ status: 401 });
  const login = await ask('POST', '/api/v1/session', {}, { token: TOKENS.read });
  expect(login).toMatchObject({ status: 200, body: { name: 'read-person', role: 'read' } });
  const setCookie = login.headers.get('set-cookie')!;
  expect(setCookie).toMatch(/HttpOnly; SameSite=Strict/);
  expect(setCookie).not.toContain(TOKENS.read);
  const cookie = setCookie.split(';', 1)[0]!;
  expect(await ask('GET', '/api/v1/session', { cookie })).toMatchObject({ body: { role: 'read' } });
  expect((await ask('GET', '/api/v1/jobs', { cookie })).status).toBe(200);
  expect((await ask('POST', '/api/v1/jobs', { cookie }, spec(images))).status).toBe(403);
  const forged = [cookie.replace('=', '=admin-person.'), cookie.replace(/=\d+\./, '=99999999999999.'), `${cookie.slice(0, -2)}AA`];
  for (const each of forged) expect((await ask('GET', '/api/v1/jobs', { cookie: each })).status).toBe(401);
  expect((await ask('DELETE', '/api/v1/session', { cookie })).headers.get('set-cookie')).toContain('Max-Age=0');
});

test('requests that a page of another site makes are refused, and every answer has the headers of a strict page', async () => {
  const foreign = await ask('POST', '/api/v1/jobs', { ...bearer('admin'), origin: 'https://evil.example' }, spec(images));
  expect(foreign).toMatchObject({ status: 403, body: { code: 'permission-denied' } });
  for (const path of ['/docs', '/healthz', '/nope']) {
    const { headers } = await ask('GET', path);
    expect(headers.get('content-security-policy')).toMatch(/script-src 'self'.*frame-ancestors 'none'/);
    expect(headers.get('content-security-policy')).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  }
});

test('a job, and a look at a path, read only below the configured folders: no other path, no dots, no link that leads out', async () => {
  await symlink('/etc', join(images, 'link'));
  for (const path of ['/etc', `${images}/../data`, join(images, 'link'), join(images, 'link', 'ssl'), `${images}-not`, 'relative']) {
    expect({ path, code: (await ask('POST', '/api/v1/jobs', bearer('submit'), spec(path))).body.code }).toEqual({
      path,
      code: 'permission-denied',
    });
    const looked = await ask('GET', `/api/v1/data?path=${encodeURIComponent(path)}`, bearer('submit'));
    expect({ path, code: looked.body.code }).toEqual({ path, code: 'permission-denied' });
  }
  const look = `/api/v1/data?path=${encodeURIComponent(images)}`;
  expect(await ask('GET', look, bearer('submit'))).toMatchObject({ status: 200, body: { path: images } });
  expect((await ask('GET', look, bearer('read'))).status).toBe(403);
  const resumed = { ...spec(images), checkpoint: { resumeFrom: '/etc' } };
  expect((await ask('POST', '/api/v1/jobs', bearer('submit'), resumed)).body.code).toBe('permission-denied');
  expect((await ask('POST', '/api/v1/jobs', bearer('submit'), spec(join(images, 'not', 'yet')))).status).toBe(201);
});

test('after ten wrong tokens from one place, a right one is let in at once by HTTP, login and gRPC; no token reaches a log', async () => {
  const wrong = () => ask('POST', '/api/v1/session', {}, { token: 'wrong-wrong-wrong-wrong' });
  for (let i = 0; i < 10; i++) expect((await wrong()).status).toBe(401);
  // More than may wait for their answers: those beyond are told to come back later.
  const flood = Array.from({ length: 40 }, wrong);
  const client = connectJobClient(cluster.coordinator, { token: TOKENS.read });
  expect((await ask('POST', '/api/v1/session', {}, { token: TOKENS.admin })).status).toBe(200);
  expect((await ask('GET', '/api/v1/jobs', bearer('read'))).status).toBe(200);
  expect(await client.listJobs()).toBeDefined();
  client.close();
  const answers = await Promise.all(flood);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 429]));
  const refused = answers.find(({ status }) => status === 429)!;
  expect(refused.body.code).toBe('rate-limited');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  const log = await readFile(join(dir, 'data', 'logs', 'coordinator.log'), 'utf8');
  expect(log).toContain('request without a valid token');
  for (const token of [...Object.values(TOKENS), 'wrong-wrong-wrong-wrong']) expect(log).not.toContain(token);
});

test('a read token with the name of an admin token logs in to a session that may read alone', async () => {
  const login = await ask('POST', '/api/v1/session', {}, { token: TWIN });
  expect(login.body).toMatchObject({ name: 'admin-person', role: 'read' });
  const cookie = login.headers.get('set-cookie')!.split(';', 1)[0]!;
  expect((await ask('GET', '/api/v1/session', { cookie })).body).toMatchObject({ name: 'admin-person', role: 'read' });
  expect((await ask('POST', '/api/v1/workers/nobody/drain', { cookie })).status).toBe(403);
});

test('a coordinator that other machines could reach does not start without tokens, and says what to set', async () => {
  const main = fileURLToPath(new URL('../../../services/coordinator/dist/main.js', import.meta.url));
  const start = async (env: Record<string, string>) => {
    const child = spawn(process.execPath, [main], {
      cwd: dir,
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (part) => {
      output += part;
    });
    const [code] = await once(child, 'close');
    return { code, output };
  };
  for (const variable of ['MAESTRO_HTTP_LISTEN', 'MAESTRO_GRPC_LISTEN']) {
    const { code, output } = await start({ [variable]: '0.0.0.0:0' });
    expect(code).toBe(1);
    expect(output).toContain(`${variable}=0.0.0.0:0: other machines could connect without authentication; set MAESTRO_TOKENS`);
  }
  // With tokens it gets as far as Redis, which is not there.
  const { output } = await start({
    MAESTRO_HTTP_LISTEN: '0.0.0.0:0',
    MAESTRO_TOKENS: `a:admin:${TOKENS.admin}`,
    MAESTRO_REDIS_URL: 'redis://127.0.0.1:1',
  });
  expect(output).toContain('could not connect: Redis');
});
