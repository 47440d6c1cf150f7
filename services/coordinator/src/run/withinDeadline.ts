import { MaestroError } from '@maestro/protocol';

/**
 * What `work` comes to, if it does so in time; whoever asked is not kept waiting for a disk or a server that hangs.
 * @throws MaestroError `unavailable` naming `what`; whatever `work` throws.
 */
export async function withinDeadline<Value>(what: string, work: Promise<Value>, timeoutMs: number): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  work.catch(() => undefined); // after the deadline nobody is left to be told
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new MaestroError('unavailable', `${what}: no answer within ${timeoutMs / 1000} s`)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
