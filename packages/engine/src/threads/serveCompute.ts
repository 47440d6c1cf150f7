import { parentPort, type TransferListItem, workerData } from 'node:worker_threads';
import { assertInternal } from '@maestro/protocol';
import { type CloseRequest, type ComputeRequest, type ComputeResponse, carryError } from './messages.ts';

/** What a compute thread serves: its methods, and what it tells when it is ready. */
export interface ComputeHost<Calls, Ready> {
  readonly ready: Ready;
  readonly calls: Calls;
  /** Frees what native code holds, which does not end with the thread. */
  readonly close?: () => Promise<void>;
  /** The buffers of a result that move to the caller instead of being copied. */
  readonly transfer?: (result: unknown) => readonly TransferListItem[];
}

/** Opens the host with this thread's options and serves its calls one at a time, in the order in which they come. */
export async function serveCompute<Options, Calls, Ready>(open: (options: Options) => Promise<ComputeHost<Calls, Ready>>): Promise<void> {
  const port = parentPort;
  assertInternal(port, 'serveCompute runs in a worker thread');
  const answer = (response: ComputeResponse, transfer: readonly TransferListItem[] = []) => port.postMessage(response, transfer);
  let host: ComputeHost<Calls, Ready>;
  try {
    host = await open(workerData as Options);
  } catch (error) {
    answer({ id: 0, error: carryError(error) });
    return;
  }
  let previous: Promise<void> = Promise.resolve();
  let isClosing = false;
  port.on('message', (request: ComputeRequest | CloseRequest) => {
    if ('close' in request) {
      isClosing = true;
      previous = previous.then(() => host.close?.()).finally(() => port.close());
    } else previous = previous.then(() => (isClosing ? undefined : serve(request)));
  });
  answer({ id: 0, result: host.ready });

  async function serve({ id, method, argument }: ComputeRequest): Promise<void> {
    try {
      const call = host.calls[method as keyof Calls] as (argument: unknown) => unknown;
      const result = await call(argument);
      answer({ id, result }, host.transfer?.(result));
    } catch (error) {
      answer({ id, error: carryError(error) });
    }
  }
}
