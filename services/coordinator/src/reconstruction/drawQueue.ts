/** A checkpoint to draw. */
export interface DrawRequest {
  readonly jobId: string;
  readonly step: number;
  readonly path: string;
}

/** Waiting drawings: only the newest checkpoint of each job, and the earliest time at which each job may be drawn again. */
export interface DrawQueue {
  readonly waiting: ReadonlyMap<string, DrawRequest>;
  readonly notBeforeMs: ReadonlyMap<string, number>;
}

/** The empty queue. */
export const EMPTY_QUEUE: DrawQueue = { waiting: new Map(), notBeforeMs: new Map() };

/** Number of jobs whose last drawing is remembered: those drawn longest ago are forgotten first. */
const MOST_REMEMBERED = 256;

/** Adds a checkpoint to the queue, replacing an older one of the same job. */
export function request(queue: DrawQueue, wanted: DrawRequest): DrawQueue {
  const before = queue.waiting.get(wanted.jobId);
  if (before !== undefined && before.step >= wanted.step) return queue;
  const waiting = new Map(queue.waiting);
  waiting.delete(wanted.jobId);
  return { ...queue, waiting: waiting.set(wanted.jobId, wanted) };
}

/** Returns the request that is due, or when to check again; neither when nothing waits. The job that has waited longest comes first. */
export function nextDue({ waiting, notBeforeMs }: DrawQueue, nowMs: number): { readonly due?: DrawRequest; readonly againMs?: number } {
  let againMs: number | undefined;
  for (const wanted of waiting.values()) {
    const dueMs = notBeforeMs.get(wanted.jobId) ?? nowMs;
    if (dueMs <= nowMs) return { due: wanted };
    againMs = Math.min(againMs ?? dueMs, dueMs);
  }
  return againMs === undefined ? {} : { againMs };
}

/** Removes a request that was drawn, or failed: its job may come again after a pause. */
export function settle(queue: DrawQueue, { jobId, step }: DrawRequest, nextMs: number): DrawQueue {
  const waiting = new Map(queue.waiting);
  if ((waiting.get(jobId)?.step ?? -1) <= step) waiting.delete(jobId);
  const notBeforeMs = new Map(queue.notBeforeMs);
  notBeforeMs.delete(jobId);
  notBeforeMs.set(jobId, nextMs);
  for (const oldest of [...notBeforeMs.keys()].slice(0, Math.max(0, notBeforeMs.size - MOST_REMEMBERED))) notBeforeMs.delete(oldest);
  return { waiting, notBeforeMs };
}

/** Lets the waiting request of a job skip the rest of its pause. */
export function hurry(queue: DrawQueue, jobId: string): DrawQueue {
  const notBeforeMs = new Map(queue.notBeforeMs);
  notBeforeMs.delete(jobId);
  return { ...queue, notBeforeMs };
}
