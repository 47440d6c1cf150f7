import { setTimeout as delay } from 'node:timers/promises';

/** Polls `what` until it returns something that is not undefined, false or null; after the deadline, throws naming what was waited for. */
export async function eventually<Value>(
  waitedFor: string,
  what: () => Promise<Value | undefined | false | null> | Value | undefined | false | null,
  { timeoutMs = 90_000, pollMs = 20 }: { readonly timeoutMs?: number; readonly pollMs?: number } = {},
): Promise<Value> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const value = await what();
    if (value !== undefined && value !== false && value !== null) return value;
    if (Date.now() > deadlineMs) throw new Error(`waited ${timeoutMs / 1000} s in vain for ${waitedFor}`);
    await delay(pollMs);
  }
}
