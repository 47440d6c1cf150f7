import { execFile } from 'node:child_process';
import { writeSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { moduleFiles } from './hashModule.ts';

const UNSETTLED = 'an await outside of its functions never ends';
/** How long a module may take to load; one that waits while nothing is left to happen is told of at once. */
const MOST_SECONDS = 60;
/** Exit code of a process whose module ended it: that of a bad setting. */
const EXIT_BAD_MODULE = 2;
const STANDARD_ERROR = 2;
/** Deadline of one check of a file's syntax. */
const CHECK_TIMEOUT_MS = 10_000;

/**
 * Imports a module that `MAESTRO_RECIPES` names; returns its default export. A module that ends the process meanwhile is named on standard
 * error, and the exit code is not 0.
 * @throws MaestroError `invalid-argument` with the place of the error, `timeout`.
 */
export async function importModule(name: string, path: string): Promise<unknown> {
  const onExit = (code: number): void => {
    const problem = `it ends the process where it is loaded (exit code ${code}); take the call out`;
    process.exitCode = EXIT_BAD_MODULE;
    try {
      writeSync(STANDARD_ERROR, `maestro: MAESTRO_RECIPES: ${name} cannot be loaded: ${problem}\n`);
    } catch {
      // Nobody reads it; the exit code remains.
    }
  };
  let fail: (problem: string) => void = () => undefined;
  const never = new Promise<never>((_, reject) => {
    fail = (problem) => reject(new MaestroError('timeout', problem));
  });
  const onIdle = (): void => fail(UNSETTLED);
  // Without unref nothing would show that a module waits for nothing.
  const timer = setTimeout(() => fail(`${UNSETTLED}, or takes more than ${MOST_SECONDS} s`), 1000 * MOST_SECONDS).unref();
  process.once('exit', onExit);
  process.once('beforeExit', onIdle);
  try {
    const module: { readonly default?: unknown } = await Promise.race([import(pathToFileURL(path).href), never]);
    return module.default;
  } catch (error) {
    if (error instanceof MaestroError) throw error;
    throw new MaestroError('invalid-argument', await placed(error, path), { cause: error });
  } finally {
    clearTimeout(timer);
    process.off('exit', onExit);
    process.off('beforeExit', onIdle);
  }
}

/** Adds file and line to the message of an error in a module. */
async function placed(error: unknown, path: string): Promise<string> {
  const [message] = errorMessage(error).split('\n') as [string];
  const isSyntax = error instanceof SyntaxError;
  // Of errors while it runs, and of imports that do not fit, the stack has the place; of other syntax errors it has not.
  const [, url, line] = /(file:\/\/[^\s()]+?):(\d+)/.exec(error instanceof Error ? (error.stack ?? '') : '') ?? [];
  const isItsOwn = url !== undefined && url !== import.meta.url;
  const where = isItsOwn ? `${fileURLToPath(url)}:${line}` : isSyntax ? await syntaxErrorPlace(path) : undefined;
  const text = isSyntax ? `SyntaxError: ${message}` : message;
  return where === undefined ? text : `${where}: ${text}`;
}

/** Asks Node which file of a module is no JavaScript, and where: `/a/b.mjs:3`. */
async function syntaxErrorPlace(path: string): Promise<string | undefined> {
  const env = { ...process.env };
  delete env['NODE_OPTIONS'];
  for (const file of (await moduleFiles(path)).keys()) {
    const told = await new Promise<string>((resolve) => {
      execFile(process.execPath, ['--check', file], { env, timeout: CHECK_TIMEOUT_MS }, (_error, _stdout, stderr) => resolve(stderr));
    });
    const [first = ''] = told.split('\n');
    if (/:\d+$/.test(first)) return first.replace(/^file:\/\//, '');
  }
  return undefined;
}
