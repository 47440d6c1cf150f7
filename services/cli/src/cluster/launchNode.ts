import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MaestroError, type SecretVariable, withoutVariables } from '@maestro/protocol';
import type { Environment, Launched } from './keptProcess.ts';
import { readLastWords } from './readLastWords.ts';

const STOP_TIMEOUT_MS = 15_000;
/** Ends caused by others, or normal ones: the last log lines have nothing to do with them. */
const WITHOUT_WORDS: ReadonlySet<string> = new Set(['exit code 0', 'SIGKILL', 'SIGTERM', 'SIGINT']);

/** A program of ours to start. */
export interface NodeProgram {
  /** Its name in messages. */
  readonly name: string;
  /** Its main file, below `services`. */
  readonly entry: string;
  readonly env: Environment;
  /** Variables of this process to withhold from it. */
  readonly hides?: readonly SecretVariable[];
  /** Command prefix that runs it elsewhere, such as in a network namespace. */
  readonly enter?: readonly string[];
  /** File to which its output is appended. */
  readonly logFile: string;
  /** Called for each message that it sends to its parent. */
  readonly onMessage?: (message: unknown) => void;
}

/** Message of our processes to their parent once they serve. */
export interface Listening {
  readonly listening: string;
  /** Address of its HTTP server, if it has one. */
  readonly http?: string;
  /** What whoever started it should know. */
  readonly notice?: string;
}

/**
 * Starts a program of ours. It ends with this process, since it sees the channel between them close; it has its own process group, since
 * passing on a Ctrl-C in the terminal is up to this process.
 *
 * @returns `listening` resolves with the announced addresses, and rejects when the process ends before.
 */
export async function launchNode({
  name,
  entry,
  env,
  hides = [],
  enter = [],
  logFile,
  onMessage,
}: NodeProgram): Promise<Launched & { readonly listening: Promise<Listening> }> {
  const log = openLog(logFile);
  const firstByte = log === 'ignore' ? 0 : fstatSync(log).size;
  const [command, ...args] = [...enter, process.execPath, fileURLToPath(new URL(`../../../${entry}`, import.meta.url))];
  const child = spawn(command!, args, {
    env: withoutVariables({ ...process.env, ...env }, hides),
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
  });
  if (log !== 'ignore') closeSync(log);
  let how = '';
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      how = signal ?? `exit code ${code}`;
      resolve(how);
    });
  });
  const lastWords = (): string | undefined => (log === 'ignore' || WITHOUT_WORDS.has(how) ? undefined : readLastWords(logFile, firstByte));
  const listening = new Promise<Listening>((resolve, reject) => {
    child.on('message', (message) => {
      const told = message as Partial<Listening>;
      if (told.listening !== undefined) resolve({ ...told, listening: told.listening });
      onMessage?.(message);
    });
    void exited.then((how) => {
      const why = lastWords() ?? `it printed nothing (${how})`;
      reject(new MaestroError('unavailable', `${name} exited before it was listening: ${why}; see ${logFile}`));
    });
  });
  listening.catch(() => undefined); // only some callers wait for it
  await once(child, 'spawn');
  return { pid: child.pid!, exited, lastWords, listening, stop: () => end(child, exited) };
}

/** A disk that accepts no new file does not prevent the start: the lines still go to Redis. */
function openLog(path: string): number | 'ignore' {
  try {
    return openSync(path, 'a');
  } catch {
    return 'ignore';
  }
}

/** Sends SIGTERM, and SIGKILL to a process that does not end in time. */
async function end(child: ChildProcess, exited: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  child.kill('SIGTERM');
  child.kill('SIGCONT'); // a suspended one handles nothing else
  await exited;
  clearTimeout(timer);
}
