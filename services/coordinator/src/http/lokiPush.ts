import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { LOG_LABELS, type LogLabel, type LogSink, pushedLine } from '@maestro/logs';
import { describeIssues, errorMessage, MaestroError } from '@maestro/protocol';
import { z } from 'zod';

/** Bytes of a push, at most, packed and unpacked. */
export const MOST_PUSH_BYTES = 4 * 1024 * 1024;
const MOST_UNPACKED_BYTES = 16 * 1024 * 1024;
/** The longest that a push waits until its lines are in Redis, in milliseconds. */
const PUSH_TIMEOUT_MS = 5000;

const unpack = promisify(gunzip);

const pushSchema = z.object({
  streams: z
    .array(
      z.object({
        stream: z.record(z.string().max(100), z.string().max(1000)),
        values: z
          .array(z.tuple([z.string().regex(/^\d{1,19}$/, 'expected nanoseconds'), z.string().max(64 * 1024)], z.unknown()))
          .max(50_000),
      }),
    )
    .max(1000),
});

/** Reads the body of a push: JSON, gzip or not. */
export async function readPush(body: Buffer, encoding: string | undefined): Promise<unknown> {
  if (encoding !== undefined && encoding !== 'gzip' && encoding !== 'identity') {
    throw new MaestroError('invalid-argument', `content-encoding: ${encoding.slice(0, 30)} is not taken; gzip is`);
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

/**
 * Takes pushed lines the way that all lines take. Labels stay few: others than ours become fields of the lines.
 * @throws MaestroError `unavailable` when they cannot be taken.
 */
export async function takePush(sink: LogSink, body: unknown): Promise<void> {
  const parsed = pushSchema.safeParse(body);
  if (!parsed.success) throw new MaestroError('invalid-argument', `push: ${describeIssues(parsed.error, pushSchema, body).join('; ')}`);
  const { dropped } = sink;
  for (const { stream, values } of parsed.data.streams) {
    const isOurs = (name: string): boolean => LOG_LABELS.includes(name as LogLabel);
    const others = Object.entries(stream).filter(([name]) => !isOurs(name));
    const fields = Object.fromEntries([
      ...Object.entries(stream).filter(([name]) => isOurs(name)),
      ...others.map(([name, value]) => [`label_${name}`, value]),
    ]);
    for (const [ns, line] of values) {
      if (BigInt(ns) > 9_223_372_036_854_775_807n) throw new MaestroError('invalid-argument', `push: ${ns} is no time in nanoseconds`);
      sink.push(`${pushedLine(BigInt(ns), line, fields)}\n`);
    }
  }
  await sink.flush(PUSH_TIMEOUT_MS);
  if (sink.dropped > dropped)
    throw new MaestroError('unavailable', `push: ${sink.dropped - dropped} lines were dropped, Redis takes no more for now`);
}
