import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { rollDice } from './dice.ts';
import { openGrpcFuzzer, sendGarbage } from './grpcRequests.ts';
import { answerJudge } from './judgeAnswer.ts';
import { logQuery } from './logQueries.ts';
import { type OpenApiDocument, operationsOf } from './openApi.ts';
import { hostileRequest, type KnownThings, validRequest } from './restRequests.ts';
import { HOSTILE_TEXTS } from './schemaValues.ts';
import { sendRequest } from './sendRequest.ts';
import { INSPECTABLE, type MemoryLook, openSettledMemory } from './settledMemory.ts';

/** What a run is given. */
export interface FuzzOptions {
  readonly requests: number;
  readonly seed: number;
  /** 1: a job is finished first, so that there are checkpoints and a ledger to ask for. 0: a job that waits must do. */
  readonly workers?: 0 | 1;
  readonly say?: (line: string) => void;
}

/** What a run found. */
export interface FuzzResult {
  readonly requests: number;
  /** Answers with a 5xx status, or with INTERNAL, UNKNOWN or DATA_LOSS on gRPC; connections that broke where an answer was due. */
  readonly serverErrors: number;
  /** Ends of the coordinator. */
  readonly crashes: number;
  /** Growth of the memory that the coordinator holds after the first fifth, as a share of it; garbage is collected before both looks. */
  readonly memoryGrowth: number;
  /** The same of its resident memory, which goes up and down by what the last large requests took. */
  readonly residentGrowth: number;
  /** Answers that the OpenAPI document does not list. */
  readonly undocumented: number;
  readonly problems: readonly string[];
  readonly outcomes: Readonly<Record<string, number>>;
}

const IN_FLIGHT = 8;
const WARM_UP = 0.2;
const MOST_PROBLEMS = 50;
const SERVER_FAULTS = new Set(['INTERNAL', 'UNKNOWN', 'DATA_LOSS']);

/** Starts a coordinator with tokens and confined paths and one worker, lets it finish a job, and sends requests that a seed decides. */
export async function runFuzz({ requests, seed, workers = 1, say = () => undefined }: FuzzOptions): Promise<FuzzResult> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-fuzz-'));
  const token = randomBytes(24).toString('hex');
  const env = { MAESTRO_TOKENS: `fuzz:admin:${token}`, MAESTRO_TOKEN: token, MAESTRO_DATA_ROOTS: dir, ...INSPECTABLE };
  const cluster = await startCluster({ workers, dataDir: join(dir, 'data'), env });
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  try {
    const base = jobOf(await writeBlobs(join(dir, 'images'), { count: 192 }));
    const jobId = await submitFirst(cluster.coordinator, token, base, workers === 1);
    const authorization = { authorization: `Bearer ${token}` };
    const document = (await (await fetch(`http://${cluster.http}/openapi.json`, { headers: authorization })).json()) as OpenApiDocument;
    const judge = answerJudge(document);
    // Nothing that is submitted by chance starts.
    const things: KnownThings = {
      parameters: { id: jobId, step: '6', name: 'worker-a', 'idempotency-key': 'by-chance', series: 'loss' },
      jobFile: { ...base, resources: { virtualRanks: 8, device: 'cuda' } },
      token,
    };
    const operations = operationsOf(document).filter(({ path }) => !path.endsWith('/drain'));
    const grpc = openGrpcFuzzer(cluster.coordinator, { token, jobId });
    const [host, port] = cluster.http.split(':');
    const dice = rollDice(seed);
    const problems: string[] = [];
    const outcomes: Record<string, number> = {};
    let [serverErrors, undocumented, crashes] = [0, 0, 0];
    let isOver = false;
    const count = (outcome: string): void => {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    };
    const note = (problem: string): void => {
      if (problems.length < MOST_PROBLEMS) problems.push(problem.slice(0, 1500));
    };
    const pid = cluster.processes.find(({ name }) => name === 'coordinator')!.pid;
    void cluster.ended('coordinator').then((how) => {
      if (isOver) return;
      crashes++;
      note(`the coordinator ended: ${how}; its last line: ${lastLine(join(dir, 'data', 'logs', 'coordinator.log'))}`);
    });

    const rest = async (): Promise<void> => {
      const operation = dice.pick(operations);
      const request = (dice.oneIn(8) ? validRequest : hostileRequest)(operation, things, dice, document);
      // Where a wrong token comes from is shut out after ten: another address of this machine.
      const isStranger = request.headers['authorization'] !== authorization.authorization || operation.operation.operationId === 'login';
      const answer = await sendRequest(
        { host: host!, port: Number(port), ...(isStranger && { localAddress: `127.0.0.${2 + dice.whole(200)}` }) },
        agent,
        request,
      );
      count(`HTTP ${answer.failure === undefined ? answer.status : 'no answer'}`);
      const verdict = judge(request, answer);
      if (answer.status >= 500 || answer.failure !== undefined) {
        serverErrors++;
        note(`${request.method} ${request.path}: ${answer.status} ${answer.failure ?? answer.body}`);
      } else if (verdict !== undefined && !isElsewhere(answer)) {
        undocumented++;
        note(`${request.method} ${request.path}: ${verdict}`);
      }
    };
    const call = async (): Promise<void> => {
      const { what, outcome, details } = await grpc.send(dice);
      count(`gRPC ${outcome}`);
      // That bytes are no message is grpc-js's own refusal, and has this status by its own choice.
      const isUnreadable =
        details.startsWith('Error deserializing request') || details.includes('more than one') || details.includes('No requests received');
      if (!SERVER_FAULTS.has(outcome) || isUnreadable) return;
      serverErrors++;
      note(`${what}: ${outcome} ${details}`);
    };
    const guess = async (): Promise<void> => {
      const headers = { authorization: `Bearer ${dice.pick(HOSTILE_TEXTS).replace(/[^\x20-\x7e]/g, '?')}x` };
      const operation = operations[0]!;
      const request = { operation, method: 'GET', path: '/api/v1/jobs', headers, isHostile: true };
      const { status } = await sendRequest({ host: host!, port: Number(port), localAddress: '127.0.0.250' }, agent, request);
      count(`HTTP ${status}`);
      if (status === 401 || status === 429) return;
      serverErrors++;
      note(`a wrong token: ${status}`);
    };
    const askLogs = async (): Promise<void> => {
      const request = logQuery(dice, token);
      const { status, failure, body } = await sendRequest({ host: host!, port: Number(port) }, agent, request);
      count(`Loki ${status}`);
      if (failure === undefined && status < 500) return;
      serverErrors++;
      note(`${request.method} ${request.path}: ${status} ${failure ?? body}`);
    };
    const one = (): Promise<void> => {
      const kind = dice.whole(100);
      if (kind < 55) return rest();
      if (kind < 65) return askLogs();
      if (kind < 95) return call();
      if (kind < 98) return guess();
      count('garbage');
      return sendGarbage(dice.oneIn(2) ? cluster.http : cluster.coordinator, dice);
    };

    let begun = 0;
    const batch = async (until: number): Promise<void> => {
      const lane = async (): Promise<void> => {
        while (begun < until && crashes === 0) {
          begun++;
          await one();
        }
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    };
    const memory = await openSettledMemory(pid, join(dir, 'data', 'logs', 'coordinator.log'));
    await batch(Math.ceil(requests * WARM_UP));
    const before = await memory.look();
    await batch(requests);
    const after = crashes === 0 ? await memory.look() : before;
    memory.close();
    const megabytes = (of: keyof MemoryLook): string =>
      `${(before[of] / 1e6).toFixed(1)} MB after the first fifth, ${(after[of] / 1e6).toFixed(1)} MB at the end`;
    say(`memory that the coordinator holds: ${megabytes('live')}; resident: ${megabytes('resident')}`);
    isOver = true;
    grpc.close();
    return {
      requests: begun,
      serverErrors,
      crashes,
      memoryGrowth: growth(before.live, after.live),
      residentGrowth: growth(before.resident, after.resident),
      undocumented,
      problems,
      outcomes,
    };
  } finally {
    agent.destroy();
    await cluster.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

const growth = (before: number, after: number): number => Math.round((1e4 * (after - before)) / before) / 1e4;

const lastLine = (file: string): string => readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';

/** A path that was spoiled may lead to another route, or to none, whose refusals are not this operation's. */
function isElsewhere({ status, contentType }: { readonly status: number; readonly contentType: string }): boolean {
  return (
    (status >= 400 && status < 500 && contentType.startsWith('application/problem+json')) ||
    status === 304 ||
    contentType.startsWith('text/html')
  );
}

const jobOf = (path: string): Record<string, unknown> => smallJob({ path, workers: 1, steps: 6 });

async function submitFirst(address: string, token: string, spec: unknown, isRun: boolean): Promise<string> {
  const client = connectJobClient(address, { token });
  try {
    const { id } = await client.submitJob({ spec });
    if (isRun)
      for await (const job of client.watchJob(id))
        if (isTerminal(job.state) && job.state !== 'succeeded') throw new Error(`the job ended as ${job.state}: ${job.message}`);
    return id;
  } finally {
    client.close();
  }
}

/** The least of a few looks, since garbage waits to be collected. */
