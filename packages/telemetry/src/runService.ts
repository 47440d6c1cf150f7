import { constants } from 'node:os';
import { isMaestroError, MaestroError } from '@maestro/protocol';
import type { Logger } from './logger.ts';

/** Options of {@link runService}. */
export interface RunServiceOptions {
  readonly logger: Logger;
  /** Deadline for `main` to return after a signal. Below the 10 s after which `docker stop` kills. Default 8000. */
  readonly shutdownTimeoutMs?: number;
}

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;
type StopSignal = (typeof STOP_SIGNALS)[number];

/**
 * Runs a process from start to exit: the last call of a main file.
 *
 * - `main` gets a signal that aborts on SIGTERM or SIGINT, with a MaestroError `cancelled` as its reason; it should then clean up and
 *   return.
 * - When it returns: exit code 0. When it throws: logged as fatal, exit code 1 (0 when it throws `cancelled` after a signal).
 * - A second signal, or a shutdown longer than `shutdownTimeoutMs`, ends the process at once with 128 + the signal's number.
 * - An uncaught rejection or exception is our own bug: logged as fatal, exit code 1.
 *
 * In every case the log is flushed first. It never resolves: the process ends.
 */
export async function runService(
  main: (signal: AbortSignal) => Promise<void>,
  { logger, shutdownTimeoutMs = 8000 }: RunServiceOptions,
): Promise<never> {
  const controller = new AbortController();
  let stoppedBy: StopSignal | undefined;

  const exit = async (code: number): Promise<never> => {
    await logger.flush().catch(() => undefined); // Nothing is left to report it to.
    process.exit(code);
  };
  const die = (phrase: string) => (error: unknown) => {
    logger.fatal({ error }, phrase);
    void exit(1);
  };
  // A full disk, or a closed terminal: failed writes by Node itself, such as warnings, are no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  process.on('uncaughtException', die('uncaught exception'));
  process.on('unhandledRejection', die('unhandled rejection'));

  const stop = (name: StopSignal) => {
    const forcedCode = 128 + constants.signals[name];
    if (stoppedBy !== undefined) {
      logger.warn({ signal: name }, 'second signal, exiting immediately');
      void exit(forcedCode);
      return;
    }
    stoppedBy = name;
    logger.info({ signal: name, shutdownTimeoutMs }, 'stopping');
    setTimeout(() => {
      logger.error({ signal: name, shutdownTimeoutMs }, 'shutdown took too long, exiting immediately');
      void exit(forcedCode);
    }, shutdownTimeoutMs).unref();
    controller.abort(new MaestroError('cancelled', `stopped by ${name}`, { details: { signal: name } }));
  };
  for (const name of STOP_SIGNALS) process.on(name, stop);

  try {
    await main(controller.signal);
  } catch (error) {
    if (!(controller.signal.aborted && isMaestroError(error, 'cancelled'))) {
      logger.fatal({ error }, 'failed');
      return exit(1);
    }
  }
  if (stoppedBy !== undefined) logger.info({ signal: stoppedBy }, 'stopped');
  return exit(0);
}
