import { type TransferListItem, Worker } from 'node:worker_threads';
import { MaestroError } from '@maestro/protocol';
import { type ComputeResponse, uncarryError } from './messages.ts';

/** Calls that may wait for their turn: more means that a caller does not await. */
const MAX_PENDING = 64;

/** How long a thread may take to end what it does and free what native code holds. */
const CLOSE_MS = 10_000;

type Argument<Call> = Call extends (argument: infer A) => unknown ? A : never;
type Result<Call> = Call extends (argument: never) => infer R ? Awaited<R> : never;

/** A thread that serves `Calls` one at a time, in the order of the calls. */
export interface ComputeThread<Calls, Ready> {
  /** What the thread told when it was ready. */
  readonly ready: Ready;
  /** @throws MaestroError what the call threw in the thread; `unavailable` when the thread is gone. */
  call<Method extends keyof Calls & string>(method: Method, argument: Argument<Calls[Method]>): Promise<Result<Calls[Method]>>;
  /** Ends the thread and frees its memory; calls that still wait are rejected. Safe to call twice. */
  close(): Promise<void>;
}

interface Waiting {
  readonly what: string;
  resolve(result: unknown): void;
  reject(error: MaestroError): void;
}

/**
 * Starts the thread of `entry` (a module that calls `serveCompute`) and waits until it is ready.
 *
 * @throws MaestroError what the thread threw on its way, or `internal` when it ended.
 */
export async function startComputeThread<Calls, Ready>({
  name,
  entry,
  options,
  transfer = [],
}: {
  readonly name: string;
  readonly entry: URL;
  readonly options: unknown;
  readonly transfer?: readonly TransferListItem[];
}): Promise<ComputeThread<Calls, Ready>> {
  const worker = new Worker(entry, { name, workerData: options, transferList: [...transfer] });
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let end: MaestroError | undefined;

  const fail = (error: MaestroError) => {
    end ??= error;
    for (const { what, reject } of waiting.values()) {
      reject(new MaestroError(end.code, `${name}: ${what} has no answer: ${end.message}`, { cause: end }));
    }
    waiting.clear();
  };
  worker.on('message', (response: ComputeResponse) => {
    const call = waiting.get(response.id);
    waiting.delete(response.id);
    if ('error' in response) call?.reject(uncarryError(response.error));
    else call?.resolve(response.result);
  });
  worker.on('error', (cause) => fail(new MaestroError('internal', `the compute thread crashed: ${cause.message}`, { cause })));
  worker.on('messageerror', (cause) => fail(new MaestroError('internal', `an answer could not be read: ${cause.message}`, { cause })));
  worker.on('exit', (exitCode) => fail(new MaestroError('internal', `the compute thread ended with exit code ${exitCode}`)));

  const wait = (id: number, what: string) => new Promise<unknown>((resolve, reject) => waiting.set(id, { what, resolve, reject }));
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const close = async () => {
    fail(new MaestroError('cancelled', 'the compute thread was closed'));
    worker.postMessage({ close: true });
    // What runs in native code cannot be interrupted anyway; a thread that waits for something else is ended.
    const timer = setTimeout(() => void worker.terminate(), CLOSE_MS);
    await exited;
    clearTimeout(timer);
  };
  try {
    const ready = (await wait(0, 'the start')) as Ready;
    return {
      ready,
      close,
      async call(method, argument) {
        if (end !== undefined) throw new MaestroError('unavailable', `${name}: ${method} was not started: ${end.message}`, { cause: end });
        if (waiting.size >= MAX_PENDING)
          throw new MaestroError('internal', `internal: ${name}: ${MAX_PENDING} calls already wait; await them`);
        const id = ++lastId;
        worker.postMessage({ id, method, argument });
        return (await wait(id, method)) as never;
      },
    };
  } catch (error) {
    await worker.terminate();
    throw error;
  }
}
