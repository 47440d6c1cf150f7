/**
 * Memory in which a thread tells how it gets on in code that may be other people's, which has one item (a sample, a parameter) after the
 * other: a count that grows whenever something happens, whether that code has an item, and its index. A thread that never returns cannot
 * send a message.
 */
export type ProgressMemory = SharedArrayBuffer;

const MEMORY_BYTES = 16;
/** Place of the item's index, a float64: data sets may have more samples than 32 bits count. */
const ITEM_AT = 8;
const [COUNT, HAS_ITEM] = [0, 1] as const;

/** Interval at which a thread that waits for an image says that it is alive. */
const ALIVE_MS = 250;

/** Allocates memory for the progress of one thread. */
export function allocateProgress(): ProgressMemory {
  return new SharedArrayBuffer(MEMORY_BYTES);
}

/** The thread's side. */
export interface FillProgress {
  /** The code has the item from now on. */
  begin(item: number): void;
  /** It waits for an image, which is no time of its own while the thread's event loop runs. To be followed by `readDone`. */
  reading(): void;
  readDone(): void;
  /** The code is done with the item. */
  end(): void;
}

/** Tells in `memory` how a thread gets on. */
export function tellProgress(memory: ProgressMemory): FillProgress {
  const words = new Int32Array(memory, 0, 2);
  const itemAt = new Float64Array(memory, ITEM_AT, 1);
  let reads = 0;
  const count = (): void => void Atomics.add(words, COUNT, 1);
  setInterval(() => {
    if (reads > 0) count();
  }, ALIVE_MS).unref();
  return {
    begin(item) {
      reads = 0;
      itemAt[0] = item;
      Atomics.store(words, HAS_ITEM, 1);
      count();
    },
    reading() {
      reads++;
      count();
    },
    readDone() {
      reads--;
      count();
    },
    end() {
      reads = 0;
      Atomics.store(words, HAS_ITEM, 0);
    },
  };
}

/**
 * Watches the progress of a thread. The returned function is called at intervals, and returns the item that the code has had, without
 * anything happening, through `patience` intervals. Intervals are counted instead of time: a process that was stopped, or starved of its
 * processor, has had none.
 */
export function watchProgress(memory: ProgressMemory, patience: number): () => number | undefined {
  const words = new Int32Array(memory, 0, 2);
  const itemAt = new Float64Array(memory, ITEM_AT, 1);
  let seen = -1;
  let idle = 0;
  return () => {
    const now = Atomics.load(words, COUNT);
    const isSame = now === seen && Atomics.load(words, HAS_ITEM) === 1;
    seen = now;
    idle = isSame ? idle + 1 : 0;
    return idle < patience ? undefined : itemAt[0];
  };
}
