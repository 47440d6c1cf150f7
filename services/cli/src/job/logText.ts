import { styleText } from 'node:util';
import { printable } from '../terminal/printResult.ts';

type Style = Parameters<typeof styleText>[0];

/** Later versions of Node check by themselves whether standard output is a terminal; this is disabled. */
const colour = styleText as (style: Style, text: string, options?: { readonly validateStream: boolean }) => string;

const LEVEL_STYLES: Readonly<Record<string, Style>> = {
  trace: 'gray',
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: ['bold', 'red'],
};
/** Colours that distinguish workers; the same name always has the same one. */
const NAME_STYLES: readonly Style[] = ['cyan', 'magenta', 'blue', 'cyanBright', 'magentaBright', 'blueBright'];
/** Fields shown in fixed places, or the same on every line. */
const PLACED: ReadonlySet<string> = new Set(['time', 'level', 'role', 'worker', 'msg', 'pid', 'job', 'cursor', 'ns', 'raw']);
const NAME_WIDTH = 11;

/**
 * Formats a log line: time of day, level, worker, message, and the other fields as key=value.
 * @param json the line as its process wrote it; text that is not a JSON object is returned as it is.
 */
export function logText(json: string, { isColoured = false }: { readonly isColoured?: boolean } = {}): string {
  const fields = parse(json);
  if (fields === undefined) return printable(json);
  const paint = (style: Style, text: string): string => (isColoured ? colour(style, text, { validateStream: false }) : text);
  const { time, level, role, worker, msg } = fields;
  const levelText = String(level ?? 'info');
  const who = printable(String(worker ?? role ?? ''));
  const rest = Object.entries(fields)
    .filter(([name, value]) => !PLACED.has(name) && value !== undefined && value !== null)
    .flatMap(([name, value]) => describe(printable(name), value).map(([key, text]) => `${paint('dim', `${key}=`)}${text}`));
  return [
    paint('dim', timeOfDay(time)),
    paint(LEVEL_STYLES[levelText] ?? 'white', printable(levelText).toUpperCase().padEnd(5)),
    paint(NAME_STYLES[hash(who) % NAME_STYLES.length]!, who.padEnd(NAME_WIDTH)),
    paint(levelText === 'error' || levelText === 'fatal' ? 'bold' : 'reset', printable(String(msg ?? ''))),
    ...(rest.length === 0 ? [] : [` ${rest.join(' ')}`]),
  ].join(' ');
}

function parse(json: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(json);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Formats a field as key and text. For an error, code and message are shown; `--json` has the rest. */
function describe(name: string, value: unknown): [string, string][] {
  if (typeof value === 'number' && !Number.isInteger(value)) return [[name, String(Number(value.toPrecision(6)))]];
  if (typeof value === 'string') return [[name, /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(printable(value))]];
  if (typeof value !== 'object' || value === null) return [[name, String(value)]];
  const { message, code } = value as { message?: unknown; code?: unknown };
  if (typeof message !== 'string') return [[name, printable(JSON.stringify(value))]];
  return [...(typeof code === 'string' ? describe(`${name}.code`, code) : []), ...describe(name, message)];
}

function timeOfDay(time: unknown): string {
  const date = new Date(typeof time === 'string' ? time : Number.NaN);
  if (Number.isNaN(date.getTime())) return '--:--:--.---';
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function hash(text: string): number {
  let value = 0;
  for (const character of text) value = (value * 31 + character.charCodeAt(0)) >>> 0;
  return value;
}
