import { parseDuration } from '@maestro/logs';
import { MaestroError } from '@maestro/protocol';

/** The parameters of a request, from its URL and form; a repeated one is an array. */
export type LokiParams = Readonly<Record<string, string | readonly string[] | undefined>>;

const DEFAULT_LIMIT = 100;
/** The same as Loki's. */
const MOST_LIMIT = 5000;
const HOUR_MS = 3_600_000;
const NANOSECONDS = 1_000_000n;
/** Times from 1970 to 2262: the range of 64 bits. */
const LAST_NS = 9_223_372_036_854_775_807n;
/** Integers of up to ten digits are seconds up to this one, in 2096. Grafana's health check sends 4000000000 and means nanoseconds. */
const LAST_SECOND = 4_000_000_000n;

/** Returns the value of a parameter; the first when it is repeated. */
export function param(params: LokiParams, name: string): string | undefined {
  const value = params[name];
  const first = typeof value === 'string' || value === undefined ? value : value[0];
  return first === '' ? undefined : first;
}

/** Returns all values of a parameter. */
export function paramList(params: LokiParams, name: string): readonly string[] {
  return [params[name] ?? []].flat();
}

/** Returns a required parameter. */
export function requiredParam(params: LokiParams, name: string): string {
  const value = param(params, name);
  if (value === undefined) throw new MaestroError('invalid-argument', `${name}: missing`);
  return value;
}

/** Parses a time: nanoseconds, seconds (with a fraction, or of up to ten digits), or RFC 3339. */
export function parseNanoseconds(name: string, text: string): bigint {
  const fail = (): never => {
    throw new MaestroError(
      'invalid-argument',
      `${name}: cannot parse ${JSON.stringify(text.slice(0, 50))} as a time; expected nanoseconds, seconds or RFC 3339`,
    );
  };
  if (/^\d{1,19}$/.test(text)) {
    const value = BigInt(text);
    const ns = text.length <= 10 && value < LAST_SECOND ? value * 1_000_000_000n : value;
    return ns <= LAST_NS ? ns : fail();
  }
  if (/^\d{1,10}\.\d+$/.test(text) || /^\d(\.\d+)?e\+?\d{1,2}$/i.test(text)) {
    const seconds = Number(text);
    return seconds < Number(LAST_NS) / 1e9 ? BigInt(Math.round(seconds * 1000)) * NANOSECONDS : fail();
  }
  const timeMs = Date.parse(text);
  if (Number.isNaN(timeMs) || timeMs < 0 || !/^\d{4}-\d\d-\d\dT/.test(text)) return fail();
  const digits = /\.(\d{1,9})/.exec(text)?.[1]?.padEnd(9, '0') ?? '000000000';
  return (BigInt(timeMs) / 1000n) * 1_000_000_000n + BigInt(digits);
}

/** The span of a request: start inclusive, end exclusive. */
export interface Span {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/** Parses `start`, `end` and `since`; by default the last hour (or `defaultMs`). */
export function parseSpan(params: LokiParams, defaultMs = HOUR_MS): Span {
  const [start, end, since] = ['start', 'end', 'since'].map((name) => param(params, name));
  const nowNs = BigInt(Date.now()) * NANOSECONDS;
  const endNs = end === undefined ? nowNs : parseNanoseconds('end', end);
  const lengthNs = BigInt(Math.round((since === undefined ? defaultMs : milliseconds('since', since)) * 1e6));
  const fromNs = (endNs < nowNs ? endNs : nowNs) - lengthNs;
  const startNs = start === undefined ? (fromNs < 0n ? 0n : fromNs) : parseNanoseconds('start', start);
  if (endNs < startNs) throw new MaestroError('invalid-argument', 'end: lies before start');
  return { startNs, endNs };
}

/** Parses a duration such as 5m, or seconds, to milliseconds. */
function milliseconds(name: string, text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (value === undefined || !Number.isFinite(value)) {
    throw new MaestroError('invalid-argument', `${name}: cannot parse ${JSON.stringify(text.slice(0, 50))} as a duration such as 15s`);
  }
  return value;
}

/** Parses `step`, by default a 250th of the span and at least a second. */
export function parseStepMs(params: LokiParams, { startNs, endNs }: Span): number {
  const step = param(params, 'step');
  if (step === undefined) return 1000 * Math.max(1, Math.floor(Number(endNs - startNs) / 1e9 / 250));
  const stepMs = milliseconds('step', step);
  if (stepMs < 1) throw new MaestroError('invalid-argument', 'step: must be at least 1ms');
  return stepMs;
}

/** Parses `interval`; 0 when there is none. */
export function parseIntervalMs(params: LokiParams): number {
  const interval = param(params, 'interval');
  return interval === undefined ? 0 : milliseconds('interval', interval);
}

/** Parses `limit`. */
export function parseLimit(params: LokiParams, name = 'limit', usual = DEFAULT_LIMIT): number {
  const text = param(params, name);
  if (text === undefined) return usual;
  if (!/^\d{1,9}$/.test(text) || Number(text) < 1)
    throw new MaestroError('invalid-argument', `${name}: must be a whole number of at least 1`);
  if (Number(text) > MOST_LIMIT)
    throw new MaestroError('invalid-argument', `${name}: max entries limit per query exceeded, ${text} > ${MOST_LIMIT}`);
  return Number(text);
}

/** Parses `direction`. */
export function isBackward(params: LokiParams): boolean {
  const direction = (param(params, 'direction') ?? 'backward').toLowerCase();
  if (direction !== 'forward' && direction !== 'backward') {
    throw new MaestroError('invalid-argument', `direction: ${JSON.stringify(direction.slice(0, 20))} is neither forward nor backward`);
  }
  return direction === 'backward';
}

/** Returns the milliseconds that a span touches: lines at its edges are then compared by nanosecond. */
export function spanMs({ startNs, endNs }: Span): { readonly fromMs: number; readonly toMs: number } {
  return { fromMs: Number(startNs / NANOSECONDS), toMs: Number((endNs + NANOSECONDS - 1n) / NANOSECONDS) };
}
