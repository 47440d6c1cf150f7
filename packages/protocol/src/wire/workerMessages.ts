import { z } from 'zod';
import { MaestroError } from '../errors.ts';
import { MOST_SERIES } from '../job/metrics.ts';
import { DEVICES } from '../process/device.ts';
import { fromWire, type Hello, type Standing, type StateShard, type StepCommitted, type Wire, type WorkerMessage } from './messages.ts';

/** Bounds far above need and far below harm. */
const MOST_NAME = 200;
const MOST_TEXT = 4096;
const MOST_JSON = 256 * 1024;
const MOST_ITEMS = 65_536;
const MOST_RESULTS = 100;
const MOST_SECONDS = 1e9;
/** Views and steps increase by one: no job comes near. */
const MOST_RISING = 2 ** 40;
/** Limits the starts of a coordinator. */
const MOST_INCARNATION = 2 ** 52;
/** Digests are sums modulo this. */
const DIGESTS = 2 ** 52;

/** Long texts from a worker are truncated; nothing depends on their end. */
const words = z.string().transform((text) => (text.length <= MOST_TEXT ? text : `${text.slice(0, MOST_TEXT)}…`));
const short = z.string().max(MOST_NAME);
/** No spaces, control characters or semicolons: rows of the ledger are built from such words. */
const word = short.regex(/^[^\s;\p{C}]+$/u, 'expected no spaces, semicolons or control characters');
const place = z
  .string()
  .max(MOST_TEXT)
  .regex(/^\P{C}*$/u, 'expected no control characters');
const jobId = z.string().regex(/^[\w-]{0,100}$/, 'expected a job id');
const rising = z.int().min(0).max(MOST_RISING);
const step = rising;
const count = z.int().min(0);
const small = count.max(2 ** 32 - 1);
const seconds = z.number().min(0).max(MOST_SECONDS);
const hash = z.string().regex(/^([0-9a-f]{64})?$/, 'expected a SHA-256 in hexadecimal');
const json = z
  .string()
  .max(MOST_JSON)
  .refine((text) => text === '' || isJsonObject(text), 'expected a JSON object');

/** Finite numbers by name; which names a job has is judged where its recipe is known. */
const numbers = (most: number, what: string) =>
  z.record(short, z.number()).refine((found) => Object.keys(found).length <= most, `expected at most ${most} ${what}`);

const ofJob = { jobId };
const ofView = { jobId, generation: rising };

const shard = z.object({
  step,
  first: count,
  length: count,
  isWhole: z.boolean(),
  isStored: z.boolean().default(false),
}) satisfies z.ZodType<StateShard>;

const committed = z.object({
  ...ofView,
  step: step.min(1),
  metrics: numbers(MOST_SERIES, 'metrics'),
  images: small,
  stepSeconds: seconds,
  ranks: z.array(z.object({ images: small, digest: count.max(DIGESTS - 1), content: count.max(DIGESTS - 1) })).max(MOST_ITEMS),
}) satisfies z.ZodType<StepCommitted>;

const standing = z.object({
  ...ofView,
  status: z.enum(['preparing', 'ready', 'forming', 'formed', 'working', 'held', 'finished']),
  step: z.int().min(-1).max(MOST_RISING),
  datasetLength: count,
  identityJson: json,
  stateHash: hash,
  reports: z.array(committed).max(MOST_ITEMS),
  errorCode: short,
  errorMessage: words,
  suspect: short,
  shards: z.array(shard).max(MOST_ITEMS),
  stateLength: count,
  results: numbers(MOST_RESULTS, 'results'),
}) satisfies z.ZodType<Standing>;

const hello = z
  .object({
    name: word,
    id: word,
    address: place,
    device: z.enum(DEVICES),
    threads: small.max(65_536),
    pid: small,
    host: place,
    buildJson: json,
    incarnation: count.max(MOST_INCARNATION),
    standing: standing.nullable(),
    sessionKey: short,
    operators: small,
    kernels: words,
  })
  .refine(({ name, id }) => id.startsWith(`${name}:`), {
    path: ['id'],
    message: 'expected the name, a colon, and what is new at each start',
  });

const timed = z.object({
  step,
  startMs: z.number().min(0).max(1e15),
  data: seconds,
  forward: seconds,
  wait: seconds,
  reduceScatter: seconds,
  allGather: seconds,
  apply: seconds,
  other: seconds,
  lag: seconds,
});

/** Schema of every message's fields. */
const SCHEMAS: { readonly [Kind in WorkerMessage['kind']]: z.ZodType<Omit<Extract<WorkerMessage, { kind: Kind }>, 'kind'>> } = {
  hello: hello as z.ZodType<Hello>,
  heartbeat: z.object({ ...ofView, step, phase: short, phaseSeconds: seconds, waitingFor: words, rankSeconds: seconds }),
  standing,
  committed,
  checkpoint: z.object({ ...ofView, step, path: place, hash }),
  checkpointFailed: z.object({ ...ofJob, step, errorMessage: words }),
  drain: z.object({ ...ofJob, reason: words }),
  left: z.object({
    ...ofView,
    step: z.int().min(-1).max(MOST_RISING),
    outcome: z.enum(['released', 'failed']),
    errorCode: short,
    errorMessage: words,
  }),
  skipped: z.object({ ...ofView, step, images: z.array(z.object({ name: words, reason: words })).max(MOST_ITEMS) }),
  timed: z.object({ ...ofView, steps: z.array(timed).max(MOST_ITEMS) }),
  metrics: z.object({ ...ofJob, familiesJson: z.string().max(4 * MOST_JSON) }),
};

/**
 * Parses a worker's message from the wire and validates every field; `undefined` for a kind that this version does not know.
 * @throws MaestroError `protocol-violation` naming the field and what was expected.
 */
export function parseWorkerMessage(wire: Wire): WorkerMessage | undefined {
  const message = fromWire<WorkerMessage>(wire);
  if (message === undefined) return undefined;
  const schema = Object.hasOwn(SCHEMAS, message.kind) ? SCHEMAS[message.kind] : undefined;
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(message);
  if (parsed.success) return { kind: message.kind, ...parsed.data } as WorkerMessage;
  const [issue] = parsed.error.issues;
  throw new MaestroError('protocol-violation', `control stream: ${[message.kind, ...issue!.path].join('.')}: ${issue!.message}`);
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
