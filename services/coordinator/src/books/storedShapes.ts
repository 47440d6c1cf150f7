import { errorMessage, JOB_PRECISIONS, JOB_STATES, type Job, readStoredSpec } from '@maestro/protocol';
import { z } from 'zod';
import type { JobRun } from '../run/state/runState.ts';

/** Views, steps and times increase by one at a time: no written number comes near the limit. */
const whole = z.int().min(0);
const number = z.number();
const text = z.string();
const time = text.refine((value) => value === '' || !Number.isNaN(Date.parse(value)), 'expected a time');
const isSpec = (value: string): boolean => {
  try {
    readStoredSpec(JSON.parse(value));
    return true;
  } catch {
    return false;
  }
};

/** The fields of a job's record that the coordinator relies on; others are kept. */
const jobShape = z.looseObject({
  id: text.regex(/^[\w-]{1,100}$/),
  name: text,
  state: z.enum(JOB_STATES),
  message: text,
  specJson: text.refine(isSpec, 'expected a job file'),
  createdAt: time.min(1),
  startedAt: time,
  endedAt: time,
  generation: whole,
  members: z.array(z.looseObject({ name: text, id: text })),
  conditions: z.array(z.looseObject({ type: text, status: z.boolean(), lastTransitionTime: text })),
  progress: z.looseObject({ step: whole, totalSteps: whole }).nullable(),
  checkpoints: z.array(z.looseObject({ step: whole, path: text, hash: text })),
  events: z.array(z.looseObject({ time, type: text, message: text })),
  stepsRedone: whole,
});

const member = z.looseObject({ name: text, id: text, address: text, firstRank: whole, ranks: whole });
const worker = z.looseObject({
  name: text,
  id: text,
  address: text,
  status: text,
  generation: whole,
  state: z.int().min(-1),
  shards: z.array(z.looseObject({ step: whole, first: whole, length: whole })),
  step: whole,
  lastHeardMs: number,
  isReleased: z.boolean(),
});

/** The fields of a run that the coordinator relies on. */
const runShape = z.looseObject({
  facts: z.looseObject({ id: text, startPoint: z.looseObject({ path: text, step: whole }) }),
  phase: z.enum(['queued', 'starting', 'running', 'pausing', 'paused', 'stopping', 'ended']),
  message: text,
  queuedMs: number.optional(),
  waitedMs: number.optional(),
  generation: whole.max(2 ** 40),
  incarnation: whole.max(2 ** 51).optional(),
  skipped: whole.max(2 ** 40).optional(),
  workers: z.array(worker),
  view: z
    .looseObject({
      members: z.array(member).min(1),
      startStep: whole,
      restoreFrom: text,
      sources: z.array(text),
      holders: z.array(z.looseObject({ id: text })),
      status: z.enum(['forming', 'working', 'holding']),
      sinceMs: number,
      isAbort: z.boolean(),
    })
    .optional(),
  step: whole.max(2 ** 40),
  stepsRedone: whole,
  restore: z.looseObject({ path: text, step: whole }).optional(),
  votes: z.array(z.looseObject({ workerId: text, by: text, identity: z.record(text, z.unknown()) })).optional(),
  common: z.looseObject({ by: text, identity: z.record(text, z.unknown()), datasetLength: whole, stateLength: whole }).optional(),
  choice: z.looseObject({ precision: z.enum(JOB_PRECISIONS), reason: text }).optional(),
  outcome: z.looseObject({ state: z.enum(['succeeded', 'failed', 'cancelled']), reason: text, message: text }).optional(),
  records: z.array(z.looseObject({ timeMs: number, generation: whole, step: whole, type: text, message: text })),
  pastViews: z.array(z.looseObject({ generation: whole, members: z.array(member) })),
  refusals: z.array(z.looseObject({ workerId: text, name: text, untilMs: number, reason: text })),
  failures: number,
  blames: z.record(text, number),
  lastCommitMs: number,
  excusedMs: number,
  stepSeconds: number,
  checkpointStep: z.int(),
  savedStep: z.int(),
});

/** A valid record, or the reason why it is invalid. */
export type ReadRecord<Value> = { readonly value: Value } | { readonly problem: string };

/** Validates a job's record from Redis. */
export function readJob(id: string, record: unknown): ReadRecord<Job> {
  const read = parse<Job>(jobShape, record);
  return 'value' in read && read.value.id !== id ? { problem: `is of job ${read.value.id}` } : read;
}

/** Validates a run from Redis. */
export function readRun(id: string, record: unknown): ReadRecord<JobRun> {
  const read = parse<JobRun>(runShape, record);
  return 'value' in read && read.value.facts.id !== id ? { problem: `is of job ${read.value.facts.id}` } : read;
}

function parse<Value>(shape: z.ZodType, record: unknown): ReadRecord<Value> {
  try {
    const parsed = shape.safeParse(record);
    if (parsed.success) return { value: record as Value };
    const [issue] = parsed.error.issues;
    return { problem: `${issue!.path.join('.') || 'it'}: ${issue!.message}` };
  } catch (error) {
    return { problem: errorMessage(error) };
  }
}
