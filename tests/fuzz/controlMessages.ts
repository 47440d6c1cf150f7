import type { Dice } from './dice.ts';
import { HOSTILE_TEXTS } from './schemaValues.ts';

/** What a sender of hostile messages knows of the job that it is after. */
export interface ControlTarget {
  readonly jobId: string;
  readonly generation: number;
  readonly step: number;
  readonly totalSteps: number;
  /** Others, and none. */
  readonly otherJobs: readonly string[];
  /** What the job's workers have in common, as a member would say it. */
  readonly identityJson: string;
  readonly datasetLength: number;
  readonly stateLength: number;
  /** Names of members. */
  readonly names: readonly string[];
}

/** A message as it goes over the wire: the field of its kind. */
export type WireMessage = Record<string, unknown>;

const NUMBERS: readonly unknown[] = [
  ...[-1, 0, 1, 63, 64, 2 ** 31, 2 ** 32 - 1, 2 ** 40, 2 ** 52, 2 ** 53, 1e308, Number.NaN, Number.POSITIVE_INFINITY, -1e-300],
  ...['9223372036854775807', '18446744073709551615', '9007199254740993'],
];
const KINDS = [
  'heartbeat',
  'standing',
  'committed',
  'checkpoint',
  'checkpointFailed',
  'left',
  'skipped',
  'drain',
  'timed',
  'metrics',
] as const;
const STATUSES = ['preparing', 'ready', 'forming', 'formed', 'working', 'held', 'finished', 'ended', ''];
/** One message in so many has a field that cannot be. */
const HOSTILE_SHARE = 15;

/** What a worker says first; `as` is whom it gives itself out for. */
export function helloMessage(
  dice: Dice,
  as: { readonly name: string; readonly id: string; readonly device?: string; readonly standing?: unknown },
): WireMessage {
  return {
    hello: {
      name: as.name,
      id: as.id,
      address: '127.0.0.1:9',
      device: as.device ?? 'cpu',
      threads: 1,
      pid: 1 + dice.whole(4_000_000),
      host: 'elsewhere',
      buildJson: '{}',
      incarnation: 0,
      standing: as.standing ?? null,
      sessionKey: String(dice.whole(1e9)),
      operators: dice.whole(2),
      kernels: 'avx2',
    },
  };
}

/** A message after the first: plausible in all, or but for a field or two. */
export function controlMessage(dice: Dice, target: ControlTarget): WireMessage {
  const kind = dice.pick(KINDS);
  const fields = fieldsOf(kind, dice, target);
  if (dice.oneIn(HOSTILE_SHARE)) for (let changes = 1 + dice.whole(2); changes > 0; changes--) spoil(fields, dice);
  return { [kind]: fields };
}

/** A first message of which a field cannot be, or that claims what is not so. */
export function hostileHello(dice: Dice, target: ControlTarget, name: string): WireMessage {
  const message = helloMessage(dice, { name, id: `${name}:1`, standing: dice.oneIn(2) ? standing(dice, target) : null });
  const hello = message['hello'] as Record<string, unknown>;
  if (dice.oneIn(2)) hello['incarnation'] = dice.pick(['9007199254740992', '9223372036854775807', '18446744073709551615', 2 ** 50]);
  else spoil(hello, dice);
  return message;
}

/** Bytes that are no message, or the beginning of one. */
export function garbage(dice: Dice): Buffer {
  const bytes = Buffer.from(Array.from({ length: dice.whole(200) }, () => dice.whole(256)));
  // Tags of the first fields, so that the reader goes on.
  if (bytes.length > 2 && dice.oneIn(2)) bytes.set([((1 + dice.whole(12)) << 3) | 2, dice.whole(bytes.length)]);
  return bytes;
}

/** Where a member stands, as it would say it, or as it cannot be. */
export function standing(dice: Dice, target: ControlTarget, status: string = dice.pick(STATUSES)): Record<string, unknown> {
  const step = stepNear(dice, target);
  return {
    jobId: jobOf(dice, target),
    generation: generationNear(dice, target),
    status,
    step: dice.pick([-1, step, target.step, target.totalSteps]),
    datasetLength: target.datasetLength,
    identityJson: dice.oneIn(2) ? target.identityJson : dice.pick(['', '{}', '{"device":"cpu"}', '[', '{"a":{"b":1}}']),
    stateHash: dice.pick(['', 'a'.repeat(64), 'zz']),
    reports: Array.from({ length: dice.whole(4) }, (_, i) => committed(dice, target, step + i)),
    errorCode: dice.pick(['', 'peer-lost', 'timeout', 'invalid-argument', 'data-invalid', 'checkpoint-invalid', 'storage']),
    errorMessage: text(dice),
    suspect: dice.pick(['', ...target.names]),
    shards: dice.oneIn(3) ? [{ step: target.totalSteps, first: 0, length: target.stateLength, isWhole: true, isStored: false }] : [],
    stateLength: target.stateLength,
    results: dice.oneIn(6) ? { knnAccuracy: 1, __proto__: 3, constructor: 2 } : {},
  };
}

function fieldsOf(kind: (typeof KINDS)[number], dice: Dice, target: ControlTarget): Record<string, unknown> {
  const jobId = jobOf(dice, target);
  const generation = generationNear(dice, target);
  const step = stepNear(dice, target);
  switch (kind) {
    case 'heartbeat':
      return { jobId, generation, step, phase: 'compute', phaseSeconds: 1, waitingFor: '', rankSeconds: 0.1 };
    case 'standing':
      return standing(dice, target);
    case 'committed':
      return committed(dice, target, step);
    case 'checkpoint': {
      const folder = `step-${String(step).padStart(8, '0')}`;
      const path = dice.pick([
        `/tmp/${jobId}/checkpoints/${folder}`,
        '/etc/passwd',
        `/tmp/${folder}`,
        `/tmp/${jobId}/../x/${folder}`,
        text(dice),
      ]);
      return { jobId, generation, step, path, hash: 'b'.repeat(64) };
    }
    case 'checkpointFailed':
      return { jobId, step, errorMessage: text(dice) };
    case 'left':
      return { jobId, generation, step, outcome: dice.pick(['released', 'failed']), errorCode: 'data-invalid', errorMessage: text(dice) };
    case 'skipped':
      return { jobId, generation, step, images: Array.from({ length: dice.whole(5) }, () => ({ name: text(dice), reason: text(dice) })) };
    case 'drain':
      return { jobId, reason: text(dice) };
    case 'timed': {
      const times = { data: 1, forward: 1, wait: 1, reduceScatter: 1, allGather: 1, apply: 1, other: 1, lag: 1 };
      return { jobId, generation, steps: [{ step, startMs: 1, ...times }] };
    }
    case 'metrics':
      return {
        jobId,
        familiesJson: dice.pick([
          '[]',
          '{}',
          '[{"name":"x","type":"gauge","help":"","values":[{"labels":{},"value":1}]}]',
          '[',
          'x'.repeat(1e5),
        ]),
      };
  }
}

function committed(dice: Dice, target: ControlTarget, step: number): Record<string, unknown> {
  return {
    jobId: jobOf(dice, target),
    generation: generationNear(dice, target),
    step,
    metrics: { loss: 1, [dice.oneIn(8) ? 'nobodys' : 'gradNorm']: 1 },
    images: 64,
    stepSeconds: 0.1,
    ranks: Array.from({ length: dice.oneIn(8) ? dice.whole(20) : 8 }, () => ({
      images: 8,
      digest: dice.whole(1e9),
      content: dice.whole(1e9),
    })),
  };
}

/** Puts what cannot be into one of the fields, at whatever depth. */
function spoil(fields: Record<string, unknown>, dice: Dice): void {
  const name = dice.pick(Object.keys(fields));
  const value = fields[name];
  if (Array.isArray(value) && value.length > 0 && dice.oneIn(2)) return spoil(value[0] as Record<string, unknown>, dice);
  if (typeof value === 'number') fields[name] = dice.pick(NUMBERS);
  else if (typeof value === 'string') fields[name] = dice.pick([...HOSTILE_TEXTS, 'x'.repeat(300_000), '["'.repeat(1000)]);
  else if (value === null) fields[name] = {};
}

const text = (dice: Dice): string => dice.pick(HOSTILE_TEXTS);
const jobOf = (dice: Dice, { jobId, otherJobs }: ControlTarget): string =>
  dice.oneIn(6) ? dice.pick([...otherJobs, '', 'job-none']) : jobId;
const generationNear = (dice: Dice, { generation }: ControlTarget): number =>
  Math.max(0, generation + dice.pick([0, 0, 0, 0, 1, -1, 2, 100, 100_000]));
const stepNear = (dice: Dice, { step, totalSteps }: ControlTarget): number =>
  Math.max(0, dice.pick([step, step + 1, step + 1, step + 2, step - 1, step + 10, totalSteps, totalSteps + 1, 1e6, 0]));
