/** A checkpoint that is to be drawn. */
export interface DrawRequest {
  readonly jobId: string;
  readonly step: number;
  readonly path: string;
}

/** What waits to be drawn: of each job the newest checkpoint alone, and since when each job may be drawn again. */
export interface DrawQueue {
  readonly waiting: ReadonlyMap<string, DrawRequest>;
  readonly notBeforeMs: ReadonlyMap<string, number>;
}

/** Nothing waits. */
export const EMPTY_QUEUE: DrawQueue = { waiting: new Map(), notBeforeMs: new Map() };

/** Jobs whose last drawing is remembered: those drawn longest ago are forgotten first. */
const MOST_REMEMBERED = 256;

/** The queue with one more checkpoint; an older one of the same job gives way. */
export function request(queue: DrawQueue, wanted: DrawRequest): DrawQueue {
  const before = queue.waiting.get(wanted.jobId);
  if (before !== undefined && before.step >= wanted.step) return queue;
  const waiting = new Map(queue.waiting);
  waiting.delete(wanted.jobId);
  return { ...queue, waiting: waiting.set(wanted.jobId, wanted) };
}

/** The request that is due, or when to look again; neither when nothing waits. The job that waits longest comes first. */
export function nextDue({ waiting, notBeforeMs }: DrawQueue, nowMs: number): { readonly due?: DrawRequest; readonly againMs?: number } {
  let againMs: number | undefined;
  for (const wanted of waiting.values()) {
    const dueMs = notBeforeMs.get(wanted.jobId) ?? nowMs;
    if (dueMs <= nowMs) return { due: wanted };
    againMs = Math.min(againMs ?? dueMs, dueMs);
  }
  return againMs === undefined ? {} : { againMs };
}

/** The queue once a request was drawn, or failed: its job comes again after a pause. */
export function settle(queue: DrawQueue, { jobId, step }: DrawRequest, nextMs: number): DrawQueue {
  const waiting = new Map(queue.waiting);
  if ((waiting.get(jobId)?.step ?? -1) <= step) waiting.delete(jobId);
  const notBeforeMs = new Map(queue.notBeforeMs);
  notBeforeMs.delete(jobId);
  notBeforeMs.set(jobId, nextMs);
  for (const oldest of [...notBeforeMs.keys()].slice(0, Math.max(0, notBeforeMs.size - MOST_REMEMBERED))) notBeforeMs.delete(oldest);
  return { waiting, notBeforeMs };
}
