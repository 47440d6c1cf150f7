/** A process that gets the processor only part of the time. */
export interface Slowed {
  /** Lets it run normally again. */
  release(): void;
}

/** Stops a process for `stoppedMs` of each `periodMs`, from now on: far too short to be taken for dead. */
export function slowDown(pid: number, { periodMs, stoppedMs }: { readonly periodMs: number; readonly stoppedMs: number }): Slowed {
  let resuming: NodeJS.Timeout | undefined;
  const send = (signal: NodeJS.Signals): void => {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  const stopping = setInterval(() => {
    send('SIGSTOP');
    resuming = setTimeout(send, stoppedMs, 'SIGCONT');
  }, periodMs);
  return {
    release() {
      clearInterval(stopping);
      clearTimeout(resuming);
      send('SIGCONT');
    },
  };
}
