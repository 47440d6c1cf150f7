import { errorMessage } from '@maestro/protocol';
import { restartDelayMs } from './restartDelay.ts';

/** A process that has been started. */
export interface Launched {
  readonly pid: number;
  /** Resolves when it has ended, with how: a signal's name, or `exit code N`. */
  readonly exited: Promise<string>;
  /** Of one that has failed, why it did, in its own words; undefined when it said nothing. */
  readonly lastWords?: () => string | undefined;
  /** Ends it in good order, stopped by a signal or not. */
  stop(): Promise<void>;
}

/** Variables of a process, beside those that it inherits. */
export type Environment = Readonly<Record<string, string>>;

/** A process that can be ended and started again under its name. */
export interface KeptProcess {
  readonly name: string;
  /** Resolves when the first process serves; rejects when it does not come to that. */
  readonly started: Promise<void>;
  /** Of the process that runs, or ran last; 0 before the first. */
  readonly pid: number;
  readonly isRunning: boolean;
  /** Resolves when the process that runs now has ended, with how. */
  readonly ended: Promise<string>;
  /** Sends a signal; nothing happens to a process that has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Kills it where it still runs, and starts it again: with the variables of last time, or others. Resolves when it serves. */
  restart(env?: Environment): Promise<void>;
  /** Ends it in good order, for good. */
  stop(): Promise<void>;
}

/** How a process is kept. */
export interface KeepOptions {
  readonly name: string;
  readonly env?: Environment;
  /** Starts the process; resolves when it serves. One that has started, but does not serve yet, is given to `onStart`. */
  readonly launch: (env: Environment, onStart: (process: Launched) => void) => Promise<Launched>;
  /** Whether a process that died is started again, after a delay that grows with each death. One that ends with exit code 0 has left. */
  readonly isSupervised: () => boolean;
  /** Told of each change, in a sentence. */
  readonly onChange: (sentence: string) => void;
}

/** Starts a process and keeps it. */
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

  /** Says what happened, and what will be done about it. */
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
      // A process that came to life and ended has been told of already.
      if (!isStopping && current === before) retire(`${name} does not start: ${errorMessage(error)}`, false);
    }
  };

  const send = (signal: NodeJS.Signals): void => {
    try {
      if (isRunning) process.kill(current!.pid, signal);
    } catch (error) {
      // It has ended, and the word of it is on its way.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };

  const started = start();
  started.catch(() => undefined); // the caller's to handle, if it waits
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
      await current?.stop(); // one that came to life meanwhile
    },
  };
}
