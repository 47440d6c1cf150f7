import { errorMessage } from '@maestro/protocol';
import { restartDelayMs } from './restartDelay.ts';

/** A started process. */
export interface Launched {
  readonly pid: number;
  /** Resolves when it has ended, with a signal's name, or `exit code N`. */
  readonly exited: Promise<string>;
  /** Returns the error message of a failed process; undefined when it left none. */
  readonly lastWords?: () => string | undefined;
  /** Stops it gracefully, even when suspended by a signal. */
  stop(): Promise<void>;
}

/** Variables of a process, besides inherited ones. */
export type Environment = Readonly<Record<string, string>>;

/** A process that can be ended and restarted under its name. */
export interface KeptProcess {
  readonly name: string;
  /** Resolves when the first process serves; rejects when it fails to. */
  readonly started: Promise<void>;
  /** Pid of the current process, or the last one; 0 before the first. */
  readonly pid: number;
  readonly isRunning: boolean;
  /** Resolves when the current process has ended, with the way in which it did. */
  readonly ended: Promise<string>;
  /** Sends a signal; has no effect on a process that has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Kills it if it still runs, and restarts it: with the previous variables, or others. Resolves when it serves. */
  restart(env?: Environment): Promise<void>;
  /** Stops it gracefully and permanently. */
  stop(): Promise<void>;
}

/** Options of {@link keepProcess}. */
export interface KeepOptions {
  readonly name: string;
  readonly env?: Environment;
  /** Starts the process; resolves when it serves. A process that has started, but does not serve yet, is passed to `onStart`. */
  readonly launch: (env: Environment, onStart: (process: Launched) => void) => Promise<Launched>;
  /** Returns true when a process that died is restarted, with a back-off that grows with each death. One with exit code 0 has left. */
  readonly isSupervised: () => boolean;
  /** Called for each change, with a sentence. */
  readonly onChange: (sentence: string) => void;
}

/** Starts a process and keeps it running. */
export function keepProcess({ name, env: firstEnv = {}, launch, isSupervised, onChange }: KeepOptions): KeptProcess {
  let env = firstEnv;
  let current: Launched | undefined;
  let isRunning = false;
  let isStopping = false;
  let isRestarting = false;
  let startedMs = 0;
  let delayMs: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let starting: Promise<unknown> = Promise.resolve();

  const take = (process: Launched): void => {
    if (process === current) return;
    current = process;
    isRunning = true;
    startedMs = Date.now();
    void process.exited.then((how) => lose(process, how));
    if (isStopping) void process.stop();
  };

  const start = (): Promise<void> => {
    const started = launch(env, take).then(take);
    starting = started.catch(() => undefined);
    return started;
  };

  const lose = (process: Launched, how: string): void => {
    if (process !== current) return;
    isRunning = false;
    if (!isStopping && !isRestarting) {
      const words = process.lastWords?.();
      retire(`${name} (process ${process.pid}) ended: ${how}${words === undefined ? '' : `: ${words}`}`, how === 'exit code 0');
    }
  };

  /** Reports what happened, and schedules the restart. */
  const retire = (what: string, hasLeft: boolean): void => {
    if (hasLeft || !isSupervised()) {
      onChange(what);
      return;
    }
    delayMs = restartDelayMs({ previousMs: delayMs, livedMs: Date.now() - startedMs });
    timer = setTimeout(() => void revive(), delayMs);
    onChange(`${what}; restarting in ${delayMs / 1000} s`);
  };

  const revive = async (): Promise<void> => {
    const before = current;
    try {
      await start();
      if (!isStopping) onChange(`${name} restarted (process ${current!.pid})`);
    } catch (error) {
      // A process that started and ended has been reported already.
      if (!isStopping && current === before) retire(`${name} does not start: ${errorMessage(error)}`, false);
    }
  };

  const send = (signal: NodeJS.Signals): void => {
    try {
      if (isRunning) process.kill(current!.pid, signal);
    } catch (error) {
      // It has ended, and the event is pending.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };

  const started = start();
  started.catch(() => undefined); // handled by the caller, if it waits
  return {
    name,
    started,
    get pid() {
      return current?.pid ?? 0;
    },
    get isRunning() {
      return isRunning;
    },
    get ended() {
      return current?.exited ?? Promise.resolve('never started');
    },
    kill: send,
    async restart(changed = env) {
      clearTimeout(timer);
      await starting;
      env = changed;
      isRestarting = true;
      send('SIGKILL');
      await current?.exited;
      isRestarting = false;
      await start();
      onChange(`${name} restarted (process ${current!.pid})`);
    },
    async stop() {
      isStopping = true;
      clearTimeout(timer);
      await current?.stop();
      await starting;
      await current?.stop(); // one that started meanwhile
    },
  };
}
