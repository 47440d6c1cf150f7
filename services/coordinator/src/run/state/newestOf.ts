/** Passes values on as fast as they are taken. */
export interface Newest<Value> {
  /** A later value takes the place of one that was not passed on yet. */
  offer(value: Value): void;
  /** The taker has room again. */
  drained(): void;
}

/**
 * Gives `take` the newest value whenever it has room: those in between are left out, the last one never. `take` returns false when it has
 * no room for more until `drained` is called. Values that are offered in one turn of the event loop count as one.
 */
export function newestOf<Value>(take: (value: Value) => boolean): Newest<Value> {
  let waiting: { readonly value: Value } | undefined;
  let isFull = false;
  const flush = (): void => {
    if (waiting === undefined || isFull) return;
    const { value } = waiting;
    waiting = undefined;
    isFull = !take(value);
  };
  return {
    offer(value) {
      if (waiting === undefined) setImmediate(flush);
      waiting = { value };
    },
    drained() {
      isFull = false;
      flush();
    },
  };
}
