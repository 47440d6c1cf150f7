import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal, type JobState } from '@maestro/protocol';
import { rollDice } from '../fuzz/dice.ts';
import { answerJudge, type Judge } from '../fuzz/judgeAnswer.ts';
import { type OpenApiDocument, operationsOf, type PlacedOperation } from '../fuzz/openApi.ts';
import { hostileRequest, type KnownThings, validRequest } from '../fuzz/restRequests.ts';
import { type RestAnswer, sendRequest } from '../fuzz/sendRequest.ts';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { runCli } from '../support/cluster/runCli.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 300_000;
/** Of each operation. */
const HOSTILE_REQUESTS = 60;

let dir: string;
let cluster: Cluster;
let base: string;
let jobFile: Record<string, unknown>;
let document: OpenApiDocument;
let judge: Judge;
let finished: Job;
let agent: Agent;

interface Job {
  readonly id: string;
  readonly state: string;
  readonly resourceVersion: string;
  readonly progress?: { readonly step: number };
}

beforeAll(async () => {
  agent = new Agent({ keepAlive: true, maxSockets: 4 });
  dir = await mkdtemp(join(tmpdir(), 'maestro-rest-'));
  cluster = await startCluster({ workers: 1, dataDir: dir });
  base = `http://${cluster.http}`;
  jobFile = smallJob({ path: await writeBlobs(join(dir, 'images'), { count: 192 }), workers: 1, steps: 6 });
  document = (await (await fetch(`${base}/openapi.json`)).json()) as OpenApiDocument;
  judge = answerJudge(document);
  const submitted = await submit(jobFile);
  finished = await eventually('the job to end', async () => {
    const job = await getJob(submitted.body.id);
    return job.state === 'succeeded' && job;
  });
}, TIMEOUT_MS);

afterAll(async () => {
  agent?.destroy();
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}, TIMEOUT_MS);

const getJob = async (id: string): Promise<Job> => (await (await fetch(`${base}/api/v1/jobs/${id}`)).json()) as Job;

async function submit(spec: unknown, headers: Record<string, string> = {}, query = ''): Promise<{ status: number; body: Job & Problem }> {
  const response = await fetch(`${base}/api/v1/jobs${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(spec),
  });
  return { status: response.status, body: (await response.json()) as Job & Problem };
}

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly string[];
}

const send = (request: ReturnType<typeof validRequest>): Promise<RestAnswer> => {
  const [host, port] = cluster.http.split(':');
  return sendRequest({ host: host!, port: Number(port) }, agent, request);
};

/** What is submitted by chance never starts, and holds nobody up. */
const things = (): KnownThings => ({
  parameters: { id: finished.id, step: '6', name: 'worker-a', 'idempotency-key': 'by-chance', series: 'loss', file: '6.png' },
  jobFile: { ...jobFile, resources: { virtualRanks: 8, device: 'cuda' } },
});
/** A worker that was drained gets no more jobs. */
const isHarmless = ({ path }: PlacedOperation): boolean => !path.endsWith('/drain');

describe('the OpenAPI document', () => {
  test('is of version 3.1, and lists the routes of the contract, each with problems', () => {
    expect(document.openapi).toBe('3.1.0');
    const operations = operationsOf(document);
    const listed = operations.map(({ method, path }) => `${method} ${path}`);
    for (const route of ['POST /api/v1/jobs', 'GET /api/v1/jobs', 'GET /api/v1/jobs/{id}/watch', 'GET /api/v1/jobs/{id}/audit']) {
      expect(listed).toContain(route);
    }
    for (const { operation } of operations.filter(({ path }) => path.startsWith('/api/'))) {
      expect(operation.responses['4XX']?.content).toHaveProperty(['application/problem+json']);
    }
  });

  test(
    'is what the server does: every operation takes valid input, and answers as it says',
    async () => {
      const dice = rollDice(1);
      const wrong: string[] = [];
      for (const operation of operationsOf(document)) {
        // Cursors are only valid when a page gave them; without one there is the first page.
        const parameters = operation.operation.parameters?.filter(({ name }) => !['cursor', 'last-event-id'].includes(name));
        const placed = { ...operation, operation: { ...operation.operation, parameters: parameters ?? [] } };
        const request = validRequest(placed, things(), dice, document);
        const answer = await send(request);
        const problem =
          judge(request, answer) ?? (answer.status >= 500 || (answer.status >= 400 && !mayBeRefused(operation)) ? answer.body : undefined);
        if (problem !== undefined) wrong.push(`${request.method} ${request.path}: ${answer.status} ${problem}`);
      }
      expect(wrong).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'holds for hostile input too: a listed refusal, and never an error of the server',
    async () => {
      const dice = rollDice(2);
      const wrong: string[] = [];
      const statuses: Record<string, number> = {};
      for (const operation of operationsOf(document).filter(isHarmless)) {
        const requests = Array.from({ length: HOSTILE_REQUESTS }, () => hostileRequest(operation, things(), dice, document));
        const answers = await Promise.all(requests.map(async (request) => ({ request, answer: await send(request) })));
        for (const { request, answer } of answers) {
          statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
          // A path that was spoiled may lead to another route, whose answers are not this operation's.
          const isElsewhere = answer.status === 404 || answer.status === 400;
          const problem = isElsewhere && /problem\+json/.test(answer.contentType) ? undefined : judge(request, answer);
          if (problem !== undefined || answer.status >= 500)
            wrong.push(`${request.method} ${request.path}: ${answer.status} ${problem ?? answer.body}`);
        }
      }
      expect(wrong).toEqual([]);
      expect(statuses['400']).toBeGreaterThan(100);
      expect((await fetch(`${base}/readyz`)).status).toBe(200);
    },
    TIMEOUT_MS,
  );
});

/** What the state of the finished job does not allow. */
function mayBeRefused({ path }: PlacedOperation): boolean {
  // Pictures are drawn some time after a checkpoint, when the machine has time.
  return path.endsWith('/resume') || path.endsWith('/pause') || path.endsWith('/reconstructions/{file}');
}

test('an address answers a method that it does not take with 405 and those that it takes; a head too long is a problem too', async () => {
  const cases = [
    { method: 'HEAD', path: '/readyz', allow: 'GET' },
    { method: 'TRACE', path: '/readyz', allow: 'GET' },
    { method: 'PUT', path: '/api/v1/jobs', allow: 'POST, GET' },
    { method: 'DELETE', path: `/api/v1/jobs/${finished.id}`, allow: 'GET' },
    { method: 'PATCH', path: '/loki/api/v1/query', allow: 'GET, POST' },
    { method: 'OPTIONS', path: '/jobs/x', allow: 'GET' },
  ];
  for (const { method, path, allow } of cases) {
    const { statusCode, headers } = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${base}${path}`, { method, agent }, (answer) => resolve(answer.resume())).on('error', reject);
    });
    expect([method, path, statusCode, headers.allow]).toEqual([method, path, 405, allow]);
    expect(headers['content-type']).toBe('application/problem+json');
  }
  expect((await fetch(`${base}/nothing`, { method: 'PUT' })).status).toBe(404);
  // As long as a path may be, of characters that are long in an address.
  const dataAt = (path: string) => fetch(`${base}/api/v1/data?path=${encodeURIComponent(path)}`);
  expect((await dataAt(`/${'🙂'.repeat(2047)}`)).status).toBe(200);
  const tooLong = await dataAt('🙂'.repeat(8000));
  expect([tooLong.status, await tooLong.json()]).toEqual([431, expect.objectContaining({ status: 431, code: 'too-large' })]);
});

describe('hostile requests are each refused in words, and nothing is harmed', () => {
  const problemOf = async (response: Response): Promise<string> => {
    const text = await response.text();
    const { detail } = response.headers.get('content-type')?.includes('problem+json') === true ? (JSON.parse(text) as Problem) : {};
    return `${response.status} ${detail ?? text}`;
  };
  const post = async (body: string): Promise<string> => {
    const answer = await fetch(`${base}/api/v1/jobs`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    return problemOf(answer);
  };
  const query = async (text: string): Promise<Response> =>
    fetch(`${base}/loki/api/v1/query_range?${new URLSearchParams({ query: text, limit: '10' })}`);

  test('job files', async () => {
    expect(await post('['.repeat(100_000))).toMatch(/^400 .*nested more than 64 levels deep/);
    expect(await post(`{"name":${'{"a":'.repeat(50_000)}`)).toMatch(/^400 .*nested more than 64 levels deep/);
    expect(await post(JSON.stringify({ ...jobFile, seed: 9 }).replace('"seed":9', '"optimizer":{"weightDecay":1e400}'))).toMatch(
      /^400 job file: optimizer\.weightDecay: /,
    );
    expect(await post('{"name": .nan}')).toMatch(/^400 /);
    expect(await post('{}\n---\n{}')).toMatch(/^400 /);
    const schedule = { ...(jobFile['schedule'] as object), microBatch: 50_000_000, lastBatch: 'keep' };
    expect(await post(JSON.stringify({ ...jobFile, schedule }))).toMatch(/^400 job file: schedule\.microBatch: /);
    expect(await post('{"__proto__": {"name": "x"}, "constructor": 1}')).toMatch(/^400 /);
  });

  test('log queries that name what every object has', async () => {
    for (const text of ['{job=~".+",constructor=~".+"}', '{job=~".+"} | json | toString=~".+"', '{job=~".+"} | json | constructor>1']) {
      const answer = await query(text);
      expect([text, answer.status, await answer.json()]).toEqual([text, 200, expect.objectContaining({ status: 'success' })]);
      const { data } = (await (await query(text)).json()) as { data: { result: unknown[] } };
      expect([text, data.result]).toEqual([text, []]);
    }
    const linesOf = async (text: string): Promise<number> => {
      const { data } = (await (await query(text)).json()) as { data: { result: { values: unknown[] }[] } };
      return data.result.reduce((sum, { values }) => sum + values.length, 0);
    };
    // No line has such a label, and a label that is not there is empty.
    expect(await linesOf('{job=~".+"}')).toBe(10);
    expect(await linesOf('{job=~".+",toString=""}')).toBe(10);
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const values = await fetch(`${base}/loki/api/v1/label/${name}/values`);
      expect([values.status, ((await values.json()) as { data?: unknown[] }).data ?? []]).toEqual([200, []]);
    }
  });

  test('the command line says what is wrong with a file', async () => {
    const file = join(dir, 'hostile.yaml');
    const said = async (text: string): Promise<string> => {
      await writeFile(file, text);
      const { code, stderr } = await runCli(['--coordinator', cluster.coordinator, 'submit', file], dir);
      return `${code} ${stderr}`;
    };
    expect(await said('['.repeat(100_000))).toMatch(/^2 .*nested more than 64 levels deep/s);
    expect(await said('name: a\n---\nname: b\n')).toMatch(/^2 .*more than one YAML document/s);
    expect(await said('optimizer: { weightDecay: .nan }\n')).toMatch(/^2 .*optimizer\.weightDecay: expected a number, found NaN/s);
    expect((await fetch(`${base}/readyz`)).status).toBe(200);
  });
});

describe('a submit', () => {
  test('with a key is done once, also when twenty come at the same time; another job file under the key is refused', async () => {
    const key = { 'idempotency-key': 'once' };
    const file = { ...jobFile, name: 'once', resources: { virtualRanks: 8, minWorkers: 8 } };
    const answers = await Promise.all(Array.from({ length: 20 }, () => submit(file, key)));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array.from({ length: 19 }, () => 200), 201]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect((await submit({ ...file, seed: 9 }, key)).body).toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('use a new key'),
    });
    await fetch(`${base}/api/v1/jobs/${answers[0]!.body.id}/cancel`, { method: 'POST' });
  });

  test('that is a dry run, or refused, leaves no job; a refusal names path, value and nearest key', async () => {
    const count = async () => ((await (await fetch(`${base}/api/v1/jobs?limit=200`)).json()) as { items: unknown[] }).items.length;
    const before = await count();
    expect(await submit(jobFile, {}, '?dryRun=true')).toMatchObject({
      status: 200,
      body: {
        dryRun: true,
        spec: { name: 'small', seed: 3 },
        plan: { samples: 192, globalBatch: 64, stepsPerEpoch: 3, totalSteps: 6 },
        // What else is told depends on whether a request before has drained the worker.
        warnings: expect.arrayContaining([
          'schedule: 6 steps in all are few to learn anything; give more epochs, or a smaller batch than 64',
        ]),
      },
    });
    const impossible = { ...jobFile, model: { imageSize: 225 }, data: { format: 'image-folder', path: '/nowhere' } };
    const errors = ['model.imageSize: expected a multiple of patchSize (16), found 225', 'data.path: there is nothing at /nowhere'];
    for (const query of ['', '?dryRun=true']) {
      const { status, body } = await submit(impossible, {}, query);
      expect([status, body.detail, body.errors]).toEqual([400, `job file: ${errors.join('; ')}`, errors]);
    }
    const client = connectJobClient(cluster.coordinator);
    for (const ask of [client.submitJob({ spec: impossible }), client.checkJob(impossible)])
      await expect(ask).rejects.toThrow(`job file: ${errors.join('; ')}`);
    client.close();
    const refused = await submit({ ...jobFile, schedule: { epoch: 5 } });
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid-argument' } });
    expect(refused.body.errors).toContain('schedule.epoch: unknown key, did you mean epochs?');
    expect((await submit('x'.repeat(300_000))).body).toMatchObject({ code: 'too-large' });
    expect(await count()).toBe(before);
  });
});

test('a job is named by its id, a prefix of it, its name or @last, in every path; of several with one name all are listed', async () => {
  const file = { ...jobFile, name: 'named so / 1', resources: { virtualRanks: 8, minWorkers: 8 } };
  const { id } = (await submit(file)).body;
  for (const reference of ['@last', id.slice(0, -2), id.slice(4), 'named so / 1']) {
    const path = `${base}/api/v1/jobs/${encodeURIComponent(reference)}`;
    expect(await (await fetch(path)).json()).toMatchObject({ id });
    for (const part of ['checkpoints', 'views', 'logs/histogram', 'metrics', 'timeline', 'reconstructions', 'metrics/export?format=csv'])
      expect([part, (await fetch(`${path}/${part}`)).status]).toEqual([part, 200]);
  }
  expect((await fetch(`${base}/api/v1/jobs/${finished.id.slice(0, -1)}/audit`)).status).toBe(200);
  const second = (await submit({ ...file, seed: 7 })).body.id;
  const answer = await fetch(`${base}/api/v1/jobs/${encodeURIComponent('named so / 1')}/cancel`, { method: 'POST' });
  const { code, errors } = (await answer.json()) as Problem;
  expect([answer.status, code]).toEqual([409, 'conflict']);
  expect(errors).toEqual([second, id].map((each) => expect.stringMatching(new RegExp(`^${each} \\(named so / 1, queued, submitted `))));
  expect((await fetch(`${base}/api/v1/jobs/none-such`)).status).toBe(404);
  for (const each of [id, second]) await fetch(`${base}/api/v1/jobs/${each}/cancel`, { method: 'POST' });
});

test('pages double no job and hide none, while others are submitted', async () => {
  const created: string[] = [];
  const add = async (): Promise<void> => {
    created.push((await submit({ ...jobFile, resources: { virtualRanks: 8, minWorkers: 8 } })).body.id);
  };
  for (let i = 0; i < 5; i++) await add();
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const query = new URLSearchParams({ limit: '2', ...(cursor !== undefined && { cursor }) });
    const page = (await (await fetch(`${base}/api/v1/jobs?${query}`)).json()) as { items: Job[]; nextCursor?: string };
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
    if (seen.length === 2) await add();
  } while (cursor !== undefined);
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen).toEqual(expect.arrayContaining([...created.slice(0, 5), finished.id]));
  expect(seen).toEqual([...seen].sort().reverse());
  for (const id of created) await fetch(`${base}/api/v1/jobs/${id}/cancel`, { method: 'POST' });
});

describe('a watch', () => {
  interface Event {
    readonly id: string;
    readonly job: Job;
  }

  async function* watch(id: string, lastEventId?: string): AsyncGenerator<Event> {
    const response = await fetch(`${base}/api/v1/jobs/${id}/watch`, {
      headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
    });
    expect(response.status).toBe(200);
    let text = '';
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const fields = Object.fromEntries(
          text
            .slice(0, end)
            .split('\n')
            .map((line) => line.split(/: (.*)/s).slice(0, 2)),
        );
        text = text.slice(end + 2);
        if (fields.data !== undefined) yield { id: fields.id, job: JSON.parse(fields.data) };
      }
    }
  }

  test(
    'tells of a job until its end, and goes on after a broken connection and a coordinator that was killed',
    async () => {
      // The first worker was drained by a test above, which takes it out for good.
      await cluster.addWorker();
      const { id } = (await submit({ ...jobFile, name: 'watched', schedule: { ...(jobFile['schedule'] as object), steps: 60 } })).body;
      const versions: string[] = [];
      let last: Event | undefined;
      let breaks = 0;
      const states = new Set<string>();
      while (last === undefined || !isTerminal(last.job.state as JobState)) {
        try {
          for await (const event of watch(id, last?.id)) {
            expect(event.id).not.toBe(last?.id);
            expect(event.id).toBe(event.job.resourceVersion);
            versions.push(event.id);
            states.add(event.job.state);
            last = event;
            if (breaks === 0 && event.job.state === 'running') break;
            if (breaks === 1 && (event.job.progress?.step ?? 0) > 10) cluster.kill('coordinator');
          }
        } catch (error) {
          // What fetch throws when a connection breaks; everything else is this test's.
          if ((error as Error).name !== 'TypeError') throw error;
        }
        const isAway = cluster.processes.some(({ name, isRunning }) => name === 'coordinator' && !isRunning);
        if (isAway) await cluster.restart('coordinator');
        breaks++;
      }
      expect([...states].at(-1)).toBe('succeeded');
      expect(breaks).toBeGreaterThanOrEqual(3);
      expect(new Set(versions).size).toBe(versions.length);
      expect(last.job.progress?.step).toBe(60);
      const ended = await fetch(`${base}/api/v1/jobs/${id}/watch`, { headers: { 'last-event-id': last.id } });
      expect(ended.status).toBe(204);
    },
    TIMEOUT_MS,
  );
});
