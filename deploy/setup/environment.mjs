import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const root = resolve(fileURLToPath(import.meta.url), '../../..');

/** Something the person has to see to: shown without a stack. */
export class SetupError extends Error {}

/** Ends the set-up with a message that says what is wrong and what to do. */
export function fail(message) {
  throw new SetupError(message);
}

/** Says what is being done: one line on standard error, so that standard output is the program's alone. */
export function say(message) {
  process.stderr.write(`setup: ${message}\n`);
}

/**
 * Runs a program to its end without a terminal and collects what it prints.
 *
 * @param {import('node:child_process').SpawnOptions} options with `timeout`, in milliseconds, it is ended after so long
 * @returns {Promise<{ok: boolean, output: string, isLate: boolean}>} `ok` when it ended with code 0; a program that is not there counts as
 *   failed;
 *   `isLate` when it was ended for its time
 */
export function execute(program, args, options = {}) {
  return new Promise((done) => {
    const startMs = performance.now();
    const child = spawn(program, args, { cwd: root, ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', (error) => done({ ok: false, output: error.message, isLate: false }));
    child.on('close', (code) =>
      done({ ok: code === 0, output, isLate: code !== 0 && performance.now() - startMs >= (options.timeout ?? Infinity) }),
    );
  });
}

/** The last lines of a program's output, indented to stand below a message. */
export function lastLines(output, count = 20) {
  return output
    .trimEnd()
    .split('\n')
    .slice(-count)
    .map((line) => `  ${line}`)
    .join('\n');
}

/** Whether there is a file that can be run. */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
