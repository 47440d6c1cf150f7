import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants as fileConstants, mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { MaestroError, withoutVariables } from '@maestro/protocol';
import { watchRedisDisk } from './redisDisk.ts';

const LOOPBACK = '127.0.0.1';
const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 15_000;
const PORT_TRIES = 5;
const KEPT_LOG_LINES = 12;

/**
 * Runs redis-server ("$@") for as long as standard input stays open. The pipe closes however this process ends, including kill -9, so that
 * no server is left behind.
 */
const WATCHDOG = `exec 3<&0
"$@" </dev/null 3<&- &
server=$!
echo "watched process $server"
( while read -r line; do :; done; kill -TERM $server ) <&3 2>/dev/null &
watcher=$!
exec 3<&-
trap 'kill -TERM $server' TERM INT
while kill -0 $server 2>/dev/null; do wait $server; status=$?; done
kill $watcher 2>/dev/null
exit $status`;

/** A Redis that belongs to this process. */
export interface RedisServer {
  /** `redis://HOST:PORT`. */
  readonly url: string;
  /** Process id of the server itself. */
  readonly pid: number;
  /** Resolves when the server has ended, with the way in which it did. */
  readonly exited: Promise<string>;
  /** Stops the server after it has written its data, even one suspended by a signal. */
  stop(): Promise<void>;
}

/**
 * Starts redis-server, on loopback unless `host` is given, with its append-only file in `dir` (synced each second): the data survives
 * server and machine. The binary is MAESTRO_REDIS_SERVER or the `redis-server` on PATH. The server ends with this process.
 *
 * @param port default: a free one.
 * @param host address to listen on. Any but loopback is open to everyone who can reach it: there is no password.
 * @param enter command prefix that runs it elsewhere, such as `ip netns exec NAME`.
 * @throws MaestroError `redis-unavailable` when there is no binary, or with the server's own message when it does not start.
 */
export async function startRedisServer({
  dir,
  port,
  host = LOOPBACK,
  enter = [],
  env = process.env,
}: {
  readonly dir: string;
  readonly port?: number;
  readonly host?: string;
  readonly enter?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
}): Promise<RedisServer> {
  const binary = await findBinary(env);
  await mkdir(dir, { recursive: true });
  for (let tried = 1; ; tried++) {
    const chosen = port ?? (await freePort());
    const started = await launch(binary, { dir, port: chosen, host, enter });
    if ('stop' in started) return started;
    const isPortTaken = /address already in use/i.test(started.log);
    if (!isPortTaken || port !== undefined || tried === PORT_TRIES) {
      throw new MaestroError('redis-unavailable', `${binary} did not start on port ${chosen} in ${dir}: ${started.log}`);
    }
  }
}

async function findBinary(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const named = env.MAESTRO_REDIS_SERVER;
  const candidates = named ? [named] : (env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'redis-server'));
  for (const candidate of candidates) {
    const isExecutable = await access(candidate, fileConstants.X_OK).then(
      () => true,
      () => false,
    );
    if (isExecutable) return candidate;
  }
  throw new MaestroError(
    'redis-unavailable',
    named
      ? `MAESTRO_REDIS_SERVER names ${named}, which is not an executable program`
      : 'no redis-server on PATH: install Redis (Debian: apt-get install redis-server), set MAESTRO_REDIS_SERVER to the program, or ' +
          'REDIS_URL to a running server',
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return (address as { port: number }).port;
}

function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
}

/** A suspended process handles no other signal. */
function continueIfStopped(pid: number): void {
  try {
    if (pid > 0) process.kill(pid, 'SIGCONT');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

type Watched = ChildProcessByStdio<Writable, Readable, Readable>;

interface LaunchOptions {
  readonly dir: string;
  readonly port: number;
  readonly host: string;
  readonly enter: readonly string[];
}

async function launch(binary: string, { dir, port, host, enter }: LaunchOptions): Promise<RedisServer | { readonly log: string }> {
  const open = host === LOOPBACK ? [] : ['--protected-mode', 'no'];
  const server = [binary, '--port', String(port), '--bind', host, ...open, '--dir', dir, '--daemonize', 'no', '--logfile', ''];
  const durability = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''];
  const [command, ...args] = [...enter, '/bin/sh', '-c', WATCHDOG, 'redis-watchdog', ...server, ...durability];
  const child: Watched = spawn(command!, args, {
    env: withoutVariables(process.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true, // a group of its own: Ctrl-C must not end Redis before its writers
  });
  // The shell exits with the server's exit code, or 128 plus the signal that ended it.
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? (code !== null && code > 128 ? signalName(code - 128) : `exit code ${code}`)));
  });
  const lines: string[] = [];
  const keep = (line: string) => {
    lines.push(line);
    if (lines.length > KEPT_LOG_LINES) lines.shift();
  };
  child.stdin.on('error', () => undefined); // the pipe of a server that has ended; 'exit' reports it
  createInterface({ input: child.stderr }).on('line', keep);

  let pid = 0;
  const isReady = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), START_TIMEOUT_MS);
    const settle = (ready: boolean) => {
      clearTimeout(timer);
      resolve(ready);
    };
    createInterface({ input: child.stdout }).on('line', (line) => {
      const watched = /^watched process (\d+)$/.exec(line);
      if (watched !== null) {
        pid = Number(watched[1]);
        return;
      }
      keep(line);
      if (line.includes('Ready to accept connections')) settle(true);
    });
    exited.then(() => settle(false));
  });
  let hasExited = false;
  void exited.then(() => {
    hasExited = true;
  });
  let stopWatching = (): void => undefined;
  const stop = async () => {
    stopWatching();
    child.stdin.end();
    if (!hasExited) continueIfStopped(pid);
    const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  };
  const url = `redis://${host}:${port}`;
  if (isReady) {
    stopWatching = watchRedisDisk({ url, dir });
    void exited.then(stopWatching);
    return { url, pid, exited, stop };
  }
  await stop();
  return { log: lines.join(' | ') || 'it said nothing' };
}
