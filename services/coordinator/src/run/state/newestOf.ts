/** Passes values on as fast as they are consumed. */
export interface Newest<Value> {
  /** Offers a value, which replaces one that was not passed on yet. */
  offer(value: Value): void;
  /** Called when the consumer has room again. */
  drained(): void;
}

/**
 * Gives `take` the newest value whenever it has room: intermediate ones are skipped, the last one never. `take` returns false when it has
 * no room for more until `drained` is called. Values offered in one turn of the event loop count as one.
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
