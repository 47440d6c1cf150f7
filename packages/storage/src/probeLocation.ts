import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import { isUrl } from './location.ts';
import { openStorage } from './openStorage.ts';

/** A folder that nobody has: listing it costs one small answer. */
const NOBODYS = 'maestro-asks-whether-this-answers';

/**
 * Checks that the server of an address answers and permits listing; does nothing for a path of this machine.
 * @throws MaestroError `unavailable` when it does not answer within `timeoutMs`, `storage` with the server's message.
 */
export async function probeLocation(location: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<void> {
  if (!isUrl(location)) return;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    await openStorage(location).list(NOBODYS, signal);
  } catch (error) {
    if (isMaestroError(error, 'not-found')) return;
    if (isMaestroError(error) && !signal.aborted) throw error;
    const why = signal.aborted ? `no answer within ${timeoutMs / 1000} s` : errorMessage(error);
    throw new MaestroError('unavailable', `${location}: ${why}; check that the server is up and its address is correct`, { cause: error });
  }
}
