import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Client, type ClientDuplexStream, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { readCheckpointState } from '@maestro/checkpoint';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { isTerminal, type Job, loadService } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { eventually } from '../support/eventually.ts';
import { type ControlTarget, controlMessage, garbage, helloMessage, hostileHello, standing, type WireMessage } from './controlMessages.ts';
import { type Dice, rollDice } from './dice.ts';

/** What a run is given. */
export interface ControlFuzzOptions {
  readonly messages: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
}

/** What a run found. */
export interface ControlFuzzResult {
  readonly messages: number;
  /** Streams that were opened, and those that the coordinator refused. */
  readonly streams: number;
  readonly refused: number;
  /** Real jobs that ran beside the messages and ended with the weights of an undisturbed one and a clean audit. */
  readonly exactJobs: number;
  /** What went wrong, in words; empty when nothing did. */
  readonly problems: readonly string[];
}

const STEPS = 24;
const LANES = 4;
const MOST_PER_STREAM = 60;
/** A stream with what a member knows may get into views, each of which costs the job a few seconds: one in so many milliseconds. */
const MEMBER_EVERY_MS = 12_000;
const WAIT_MS = 240_000;

type Call = ClientDuplexStream<WireMessage | Buffer, WireMessage>;

/**
 * Sends messages that a seed decides on control streams of a real coordinator, as a stranger, under the names of real workers, and as one
 * that a job has taken, while real jobs run beside. Checks that every job ends with its weights and a clean audit, that what is none of the
 * sender's stays as it was, and that a coordinator that is started again on the same Redis finds all.
 */
export async function runControlFuzz({ messages, seed, say = () => undefined }: ControlFuzzOptions): Promise<ControlFuzzResult> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-control-fuzz-'));
  const env = { MAESTRO_FAILURE_TIMEOUT_MS: '2000', MAESTRO_RECONSTRUCTION_SECONDS: '0' };
  const cluster = await startCluster({ workers: 2, dataDir: join(dir, 'data'), env });
  const client = connectJobClient(cluster.coordinator);
  try {
    return await attack({ cluster, client, path: await writeBlobs(join(dir, 'blobs'), { count: 300 }), messages, seed, say });
  } finally {
    client.close();
    await cluster.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function attack({
  cluster,
  client,
  path,
  messages,
  seed,
  say,
}: Required<ControlFuzzOptions> & {
  readonly cluster: Cluster;
  readonly client: JobClient;
  readonly path: string;
}): Promise<ControlFuzzResult> {
  const problems: string[] = [];
  let isOver = false;
  void cluster.ended('coordinator').then((how) => isOver || problems.push(`the coordinator ended: ${how}`));

  const spec = smallJob({ path, workers: 2, steps: STEPS, resources: { maxWorkers: 3 }, checkpoint: { everySteps: 7 } });
  const reference = await ended(client, await client.submitJob({ spec }));
  const { path: folder, hash } = reference.checkpoints.at(-1)!;
  const { identity } = (await readCheckpointState(folder)) as { readonly identity: object };
  const real = (await client.listWorkers()).map(({ id }) => id).sort();
  // Nobody has what it asks for: whatever happens to it is somebody else's doing.
  const bystander = await client.submitJob({ spec: { ...spec, resources: { virtualRanks: 8, device: 'cuda' } } });

  let target: ControlTarget = {
    jobId: reference.id,
    generation: 1,
    step: 0,
    totalSteps: STEPS,
    otherJobs: [bystander.id, reference.id],
    identityJson: JSON.stringify(identity),
    datasetLength: 300,
    stateLength: 1000,
    names: real.map((id) => id.split(':')[0]!),
  };
  let exactJobs = 0;
  /** One job after the other, as long as messages are sent. */
  const train = async (): Promise<void> => {
    do {
      const job = await client.submitJob({ spec });
      const done = await ended(client, job, ({ id: jobId, generation, progress }) => {
        target = { ...target, jobId, generation, step: progress?.step ?? 0 };
      });
      const audit = await client.auditJob(job.id).catch((error: Error) => ({ verdict: error.message, problems: [] }));
      const found = done.checkpoints.at(-1)?.hash;
      if (done.state === 'succeeded' && found === hash && audit.verdict === 'clean') exactJobs++;
      else {
        const events = done.events.slice(-12).map(({ message }) => message);
        problems.push(
          `${job.id} is ${done.state} (${done.message}) with ${found}, audit ${audit.verdict}: ${audit.problems[0]}; ${events.join(' | ')}`,
        );
      }
    } while (!isOver && problems.length === 0);
  };

  let begun = 0;
  let [streams, refused, number] = [0, 0, 0];
  let memberMs = 0;
  const dice = rollDice(seed);
  const method = attachMethod();
  const stream = async (): Promise<void> => {
    const channel = new Client(cluster.coordinator, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    const call: Call = channel.makeBidiStreamRequest(method.path, serialize(method), method.responseDeserialize);
    let isOpen = true;
    const close = (): void => {
      isOpen = false;
    };
    call.on('data', (message) => {
      const refusal = message['refused'] as { readonly code: string; readonly message: string } | null | undefined;
      if (refusal == null) return;
      refused++;
      if (refusal.code === 'internal') problems.push(`the coordinator's own fault: ${refusal.message}`);
    });
    call.on('error', close).on('end', close).on('close', close);
    streams++;
    for (const message of conversation(dice, target, { real, number: ++number, isMember: isMemberDue() })) {
      if (!isOpen || begun >= messages) break;
      begun++;
      call.write(message);
      await turn();
    }
    call.end();
    await eventually('the end of a stream', () => !isOpen, { timeoutMs: 5000 }).catch(() => call.cancel());
    channel.close();
  };
  const isMemberDue = (): boolean => {
    if (Date.now() - memberMs < MEMBER_EVERY_MS) return false;
    memberMs = Date.now();
    return true;
  };
  const lane = async (): Promise<void> => {
    while (begun < messages && problems.length === 0) {
      await stream();
      const { status } = await fetch(`http://${cluster.http}/healthz`);
      if (status !== 200) problems.push(`/healthz answers ${status}`);
    }
  };
  const training = train();
  await Promise.all(Array.from({ length: LANES }, lane));
  isOver = true;
  await training;
  say(`${begun} messages on ${streams} streams, ${refused} refused; ${exactJobs} jobs beside them`);

  // What is left of it all, before and after the coordinator is started again on the same Redis.
  for (const when of ['after the messages', 'after a restart']) {
    if (when === 'after a restart') {
      cluster.kill('coordinator');
      await cluster.restart('coordinator');
    }
    const isSame = async (): Promise<boolean> => {
      const workers = await client.listWorkers().catch(() => []);
      return workers.map(({ id }) => id).filter((id) => real.includes(id)).length === real.length;
    };
    await eventually('the real workers', isSame, { timeoutMs: 20_000 }).catch((error: Error) => problems.push(`${when}: ${error.message}`));
    const jobs = await client.listJobs();
    if (jobs.length !== exactJobs + 2) problems.push(`${when}: ${jobs.length} jobs, there were ${exactJobs + 2}`);
    const now = await client.getJob(bystander.id);
    const essence = ({ id, state, specJson, generation, progress, checkpoints, members, events }: Job): string =>
      JSON.stringify([id, state, specJson, generation, progress, checkpoints, members, events]);
    if (essence(now) !== essence(bystander)) problems.push(`${when}: the job that waits is another: ${essence(now)}`);
    const last = jobs.find(({ id }) => id === target.jobId)!;
    if (last.checkpoints.at(-1)?.hash !== hash) problems.push(`${when}: the last job's record is another`);
  }
  return { messages: begun, streams, refused, exactJobs, problems };
}

/** What one stream says, as whom it gives itself out for. */
function* conversation(
  dice: Dice,
  target: ControlTarget,
  { real, number, isMember }: { readonly real: readonly string[]; readonly number: number; readonly isMember: boolean },
): Generator<WireMessage | Buffer> {
  const name = `fuzz-${number}`;
  const self = { name, id: `${name}:1` };
  const count = 1 + dice.whole(MOST_PER_STREAM);
  const kind = isMember ? 9 : dice.whole(9);
  if (kind === 0) yield hostileHello(dice, target, name);
  else if (kind === 1) {
    // A real worker's public name, and often its id.
    const id = dice.pick(real);
    yield helloMessage(dice, {
      name: id.split(':')[0]!,
      id: dice.oneIn(2) ? id : `${id.split(':')[0]}:2`,
      standing: standing(dice, target),
    });
  } else if (kind === 2) yield garbage(dice);
  else if (kind === 9) {
    // Free, so that the job takes it, and then as its workers would say it.
    yield helloMessage(dice, self);
    for (let i = 0; i < 40; i++)
      yield { heartbeat: { jobId: '', generation: 0, step: 0, phase: '', phaseSeconds: 0, waitingFor: '', rankSeconds: 0 } };
    yield {
      standing: {
        ...standing(dice, target, 'ready'),
        jobId: target.jobId,
        generation: 0,
        step: -1,
        identityJson: target.identityJson,
        reports: [],
        shards: [],
      },
    };
  } else if (kind !== 3) {
    // Of a device that no job asks for: it stays a stranger to all.
    yield helloMessage(dice, { ...self, device: 'webgpu', standing: dice.oneIn(3) ? standing(dice, target) : null });
  }
  for (let i = 0; i < count; i++) yield dice.oneIn(120) ? garbage(dice) : controlMessage(dice, target);
}

function attachMethod(): MethodDefinition<WireMessage, WireMessage> {
  const { service } = loadService('coordinator.proto', 'Coordinator');
  return service['Attach'] as unknown as MethodDefinition<WireMessage, WireMessage>;
}

/** Messages by the definition, bytes as they are. */
function serialize({ requestSerialize }: MethodDefinition<WireMessage, WireMessage>): (message: WireMessage | Buffer) => Buffer {
  return (message) => (Buffer.isBuffer(message) ? message : requestSerialize(message));
}

/** Follows a job to its end; the coordinator is there all the time. */
async function ended(client: JobClient, job: Job, onChange: (job: Job) => void = () => undefined): Promise<Job> {
  const deadline = Date.now() + WAIT_MS;
  for await (const now of client.watchJob(job.id)) {
    onChange(now);
    if (isTerminal(now.state)) return now;
    if (Date.now() > deadline) break;
  }
  return client.getJob(job.id);
}
