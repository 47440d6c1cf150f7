import { MaestroError } from '@maestro/protocol';

/**
 * Settles as `work` does, if in time: a hanging disk or server keeps no caller waiting.
 * @throws MaestroError `unavailable` naming `what`; whatever `work` throws.
 */
export async function withinDeadline<Value>(what: string, work: Promise<Value>, timeoutMs: number): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  work.catch(() => undefined); // after the deadline nobody handles the error
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new MaestroError('unavailable', `${what}: no answer within ${timeoutMs / 1000} s`)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
