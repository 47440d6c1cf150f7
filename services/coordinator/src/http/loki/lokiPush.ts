import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type LogSink, labelsKey, storePushed } from '@maestro/logs';
import { describeIssues, errorMessage, MaestroError } from '@maestro/protocol';
import { z } from 'zod';

/** Limits the bytes of a push, compressed and uncompressed. */
export const MOST_PUSH_BYTES = 4 * 1024 * 1024;
const MOST_UNPACKED_BYTES = 16 * 1024 * 1024;
/** Deadline for the lines of a push to reach Redis, in milliseconds. */
const PUSH_TIMEOUT_MS = 5000;

const unpack = promisify(gunzip);

/** Limits of a stream's labels, and of the length of a name: 15 labels as in Loki, so that a line has room besides them. */
const MOST_LABELS = 15;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]{0,99}$/;
/**
 * Limits the streams that may be pushed to, until the coordinator restarts: each is examined by every query. As many as a job's workers may
 * be.
 */
const MOST_STREAMS = 1000;

/** zod's record silently drops `__proto__`. */
const labelsSchema = z.custom<Readonly<Record<string, string>>>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === 'string' && text.length <= 1000),
  'expected labels: texts of at most 1000 characters, by name',
);

const pushSchema = z.object({
  streams: z
    .array(
      z.object({
        stream: labelsSchema,
        values: z
          .array(
            z.union([
              z.tuple([z.string().regex(/^\d{1,19}$/, 'expected nanoseconds'), z.string()]),
              z.tuple([z.string().regex(/^\d{1,19}$/, 'expected nanoseconds'), z.string(), labelsSchema]),
            ]),
          )
          .max(50_000),
      }),
    )
    .max(1000),
});

/** Parses the body of a push: JSON, gzipped or not. */
export async function readPush(body: Buffer, encoding: string | undefined): Promise<unknown> {
  if (encoding !== undefined && encoding !== 'gzip' && encoding !== 'identity') {
    throw new MaestroError('invalid-argument', `content-encoding: ${encoding.slice(0, 30)} is not supported; use gzip`);
  }
  try {
    const text = encoding === 'gzip' ? await unpack(body, { maxOutputLength: MOST_UNPACKED_BYTES }) : body;
    return JSON.parse(text.toString());
  } catch (error) {
    const isLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    if (isLarge) throw new MaestroError('too-large', `push: more than ${MOST_UNPACKED_BYTES} bytes unpacked`);
    throw new MaestroError('invalid-argument', `push: ${errorMessage(error)}`);
  }
}

/** Accepts pushed lines. */
export type TakePush = (body: unknown) => Promise<void>;

/**
 * Opens the receiver of pushed lines, which go the way of all lines. Their labels are those of the stream, whatever their names. The result
 * throws MaestroError `invalid-argument` for an invalid push, `rate-limited` for too many streams, and `unavailable` when lines cannot be
 * accepted; then only the part of the push that fitted before is stored.
 */
export function openPush(sink: LogSink): TakePush {
  const known = new Set<string>();
  return async (body) => {
    const parsed = pushSchema.safeParse(body);
    if (!parsed.success) throw new MaestroError('invalid-argument', `push: ${describeIssues(parsed.error, pushSchema, body).join('; ')}`);
    const streams = parsed.data.streams.map(({ stream, values }) => ({ labels: streamLabels(stream), values }));
    for (const { values } of streams) {
      const late = values.find(([ns]) => BigInt(ns) > LAST_NS);
      if (late !== undefined) throw new MaestroError('invalid-argument', `push: ${late[0]} is not a time in nanoseconds`);
    }
    requireFew(new Set([...known, ...streams.map(({ labels }) => labelsKey(labels))]).size);
    const { dropped } = sink;
    for (const { labels, values } of streams) {
      known.add(labelsKey(labels));
      for (const [ns, text, metadata] of values) {
        sink.push(`${storePushed({ ns: BigInt(ns), text, labels, metadata: named(metadata ?? {}) })}\n`);
      }
    }
    await sink.flush(PUSH_TIMEOUT_MS);
    if (sink.dropped > dropped)
      throw new MaestroError(
        'unavailable',
        `push: ${sink.dropped - dropped} lines were dropped because Redis accepts no more for now; try again later`,
      );
  };
}

const LAST_NS = 9_223_372_036_854_775_807n;

function requireFew(streams: number): void {
  if (streams <= MOST_STREAMS) return;
  throw new MaestroError(
    'rate-limited',
    `push: maximum active stream limit exceeded: more than ${MOST_STREAMS} different sets of labels; use fewer labels and put ` +
      'varying values into the line',
  );
}

function streamLabels(stream: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const labels = named(stream);
  const shown = JSON.stringify(stream).slice(0, 200);
  if (labels.size > MOST_LABELS)
    throw new MaestroError('invalid-argument', `push: stream ${shown} has ${labels.size} labels; limit ${MOST_LABELS}`);
  return labels;
}

/** Removes empty labels, which Loki treats as missing. */
function named(labels: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const entries = Object.entries(labels).filter(([, value]) => value !== '');
  const wrong = entries.find(([name]) => !LABEL_NAME.test(name));
  if (wrong === undefined) return new Map(entries);
  throw new MaestroError(
    'invalid-argument',
    `push: ${JSON.stringify(wrong[0].slice(0, 100))} is not a label name; expected at most 100 letters, digits and _`,
  );
}
