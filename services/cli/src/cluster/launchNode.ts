import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MaestroError, type SecretVariable, withoutVariables } from '@maestro/protocol';
import type { Environment, Launched } from './keptProcess.ts';
import { readLastWords } from './readLastWords.ts';

const STOP_TIMEOUT_MS = 15_000;
/** Ends that others made, or that are none: what stands last in the log has nothing to do with it. */
const WITHOUT_WORDS: ReadonlySet<string> = new Set(['exit code 0', 'SIGKILL', 'SIGTERM', 'SIGINT']);

/** A program of ours to start. */
export interface NodeProgram {
  /** What it is called in messages. */
  readonly name: string;
  /** Its main file, below `services`. */
  readonly entry: string;
  readonly env: Environment;
  /** What it is not to know of the variables of this process. */
  readonly hides?: readonly SecretVariable[];
  /** What is put before its command, so that it runs in another place, such as a network namespace. */
  readonly enter?: readonly string[];
  /** Where its output is appended. */
  readonly logFile: string;
  /** Told of each message that it sends to its parent. */
  readonly onMessage?: (message: unknown) => void;
}

/** What a process of ours tells its parent once it serves. */
export interface Listening {
  readonly listening: string;
  /** Where it serves HTTP, if it does. */
  readonly http?: string;
}

/**
 * Starts a program of ours. It ends with this process, since it sees the channel between them close; and it has a process group of its own,
 * since a Ctrl-C in the terminal is this process's to pass on.
 *
 * @returns `listening` resolves with the addresses that it announces, and rejects when it ends before.
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

/** A disk that takes no new file is no reason not to start: the lines go to Redis all the same. */
function openLog(path: string): number | 'ignore' {
  try {
    return openSync(path, 'a');
  } catch {
    return 'ignore';
  }
}

/** SIGTERM, and SIGKILL for a process that does not end in time. */
async function end(child: ChildProcess, exited: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  child.kill('SIGTERM');
  child.kill('SIGCONT'); // one that is stopped takes nothing else in
  await exited;
  clearTimeout(timer);
}
