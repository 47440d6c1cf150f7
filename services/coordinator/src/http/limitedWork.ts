import { MaestroError } from '@maestro/protocol';

/** Runs requested work, a few items at a time. */
export type LimitedWork = <Result>(key: string, work: () => Promise<Result>) => Promise<Result>;

/**
 * Limits expensive work: at most `atOnce` run, at most `waiting` wait, and a request with the key of running work shares its result.
 * @throws MaestroError `rate-limited` when too many wait already.
 */
export function limitWork({
  what,
  atOnce,
  waiting,
}: {
  readonly what: string;
  readonly atOnce: number;
  readonly waiting: number;
}): LimitedWork {
  const underWay = new Map<string, Promise<unknown>>();
  const queue: (() => void)[] = [];
  let running = 0;
  const begin = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (running >= atOnce) {
      if (queue.length >= waiting)
        throw new MaestroError('rate-limited', `${what}: ${running} are running and ${queue.length} are waiting; try again later`);
      await new Promise<void>((resolve) => queue.push(resolve));
    }
    running++;
    try {
      return await work();
    } finally {
      running--;
      queue.shift()?.();
    }
  };
  return <Result>(key: string, work: () => Promise<Result>): Promise<Result> => {
    const same = underWay.get(key) as Promise<Result> | undefined;
    if (same !== undefined) return same;
    const result = begin(work).finally(() => underWay.delete(key));
    underWay.set(key, result);
    return result;
  };
}
