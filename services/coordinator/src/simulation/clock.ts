/** Simulated time: actions in order of their time, and of their asking where times are equal. */
export interface Clock {
  readonly nowMs: number;
  /** Does `action` after `delayMs`. */
  after(delayMs: number, action: () => void): void;
  /** Lets time pass until `isDone`, or until `untilMs`. */
  run(untilMs: number, isDone: () => boolean): void;
}

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

/** A clock that starts at `startMs`. */
export function createClock(startMs: number): Clock {
  const heap: Entry[] = [];
  let nowMs = startMs;
  let order = 0;
  const isBefore = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

  const push = (entry: Entry): void => {
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  };
  const pop = (): Entry => {
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  };

  return {
    get nowMs() {
      return nowMs;
    },
    after: (delayMs, action) => push({ atMs: nowMs + delayMs, order: order++, action }),
    run(untilMs, isDone) {
      while (!isDone() && heap.length > 0 && heap[0]!.atMs <= untilMs) {
        const { atMs, action } = pop();
        nowMs = atMs;
        action();
      }
    },
  };
}
