import { execFile } from 'node:child_process';
import { MaestroError } from '@maestro/protocol';

const TIMEOUT_MS = 10_000;

/**
 * Runs a tool to its end and returns its output.
 * @throws MaestroError `unavailable` with the command and the tool's own message, also in `details.said`.
 */
export function runTool(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const why = isMissing ? 'not installed; it is part of iproute2' : stderr.trim().split('\n')[0] || error.message;
      reject(new MaestroError('unavailable', `${[command, ...args].join(' ')}: ${why}`, { cause: error, details: { said: why } }));
    });
  });
}

/** Runs `ip ARGS`, written as on a command line. */
export function ip(words: string): Promise<string> {
  return runTool('ip', words.split(' '));
}
