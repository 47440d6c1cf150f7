import { pino } from 'pino';
import { type LineWriter, openLineWriter } from './lineWriter.ts';
import { redactLine } from './redact.ts';
import { serializeError } from './serializeError.ts';

/** Levels in increasing urgency; `silent` writes nothing. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Destination of lines: a standard stream, a file (appended to, created with its folders), or a function that receives each line with its
 * newline.
 */
export type LogDestination = 'stdout' | 'stderr' | { readonly file: string } | { readonly write: (line: string) => void };

/** An additional destination of lines, such as a log store. */
export interface LineSink {
  /** Adds a line with its newline. Must not block: it is called for each line. */
  push(line: string): void;
  /** Resolves when every line so far has left the process, or cannot. */
  flush(): Promise<void>;
}

/** Options of {@link createLogger}; every other property is added to each line unchanged. */
export interface LoggerOptions {
  /** The kind of process: coordinator, worker, cli, demo. */
  readonly role: string;
  /** The worker's name, for lines of a worker. */
  readonly worker?: string;
  /** The least urgent level that is written. Default `info`: one line per change of state. */
  readonly level?: LogLevel;
  /** Default `stdout`. */
  readonly destination?: LogDestination;
  /** Also receives each line. */
  readonly sink?: LineSink;
  readonly [binding: string]: unknown;
}

/** Writes one line: fields first, then the fixed phrase. */
type LogMethod = (fieldsOrPhrase: object | string, phrase?: string) => void;

/**
 * A structured logger. The message is a fixed phrase without values, so that lines can be counted by it; values are fields: `logger.info({
 * step: 812, loss }, 'step committed')`. An error goes into the field `error`.
 */
export interface Logger extends Readonly<Record<Exclude<LogLevel, 'silent'>, LogMethod>> {
  level: LogLevel;
  /** Returns a logger that adds fields (job, worker, generation, step) to each of its lines. */
  child(bindings: Readonly<Record<string, unknown>>): Logger;
  /** Resolves when every line so far has left the process, or cannot. */
  flush(): Promise<void>;
}

/**
 * Creates the logger of a process: one JSON object per line with `level`, `time` (ISO 8601, UTC), `pid`, `role`, the bindings and `msg`.
 * Secrets are removed from each line, see redactLine. Logging never throws, see openLineWriter. Lines are written in order; call `flush`
 * before the process ends (runService does).
 */
export function createLogger({ role, worker, level = 'info', destination = 'stdout', sink, ...bindings }: LoggerOptions): Logger {
  const base = { pid: process.pid, role, ...(worker !== undefined && { worker }), ...bindings };
  const stream = openDestination(destination, base);
  const root = pino(
    {
      level,
      base,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      errorKey: 'error',
      serializers: { error: (error: unknown) => serializeError(error) },
      hooks: { streamWrite: redactLine },
    },
    sink === undefined ? stream : { write: (line: string) => writeBoth(stream, sink, line) },
  );
  return wrap(root, async () => sink?.flush());
}

function writeBoth(stream: LineWriter, sink: LineSink, line: string): void {
  stream.write(line);
  sink.push(line);
}

function openDestination(destination: LogDestination, bindings: object): LineWriter {
  if (typeof destination === 'object' && 'write' in destination) return destination;
  const target = typeof destination === 'object' ? destination.file : destination === 'stdout' ? 1 : 2;
  return openLineWriter(target, (fields) => {
    const line = {
      level: 'warn',
      time: new Date().toISOString(),
      ...bindings,
      ...fields,
      msg: 'the log is written again',
    };
    return `${JSON.stringify(line)}\n`;
  });
}

function wrap(inner: pino.Logger, flush: () => Promise<void>): Logger {
  const method =
    (level: Exclude<LogLevel, 'silent'>): LogMethod =>
    (fieldsOrPhrase, phrase) =>
      typeof fieldsOrPhrase === 'string' ? inner[level](fieldsOrPhrase) : inner[level](fieldsOrPhrase, phrase);
  return {
    trace: method('trace'),
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    fatal: method('fatal'),
    get level() {
      return inner.level as LogLevel;
    },
    set level(level) {
      inner.level = level;
    },
    child: (bindings) => wrap(inner.child(bindings), flush),
    flush,
  };
}
