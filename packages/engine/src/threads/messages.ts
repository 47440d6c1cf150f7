import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';

/** A call on its way to the compute thread. */
export interface ComputeRequest {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

/** Asks the thread to free what it holds and to end, after the call that it serves. */
export interface CloseRequest {
  readonly close: true;
}

/** An answer on its way back. `id` 0 answers the start of the thread. */
export type ComputeResponse = { readonly id: number } & ({ readonly result: unknown } | { readonly error: CarriedError });

/** An error as it crosses threads: structured cloning keeps neither class, code nor details. */
export interface CarriedError {
  readonly code: MaestroError['code'];
  readonly message: string;
  readonly details: MaestroError['details'];
  readonly stack: string | undefined;
}

/** Flattens anything that was thrown; what is no MaestroError is a bug of ours and becomes `internal`. */
export function carryError(error: unknown): CarriedError {
  const stack = error instanceof Error ? error.stack : undefined;
  return isMaestroError(error)
    ? { code: error.code, message: error.message, details: error.details, stack }
    : { code: 'internal', message: `internal: ${errorMessage(error)}`, details: {}, stack };
}

/** The error on the other side, with the compute thread's stack. */
export function uncarryError({ code, message, details, stack }: CarriedError): MaestroError {
  const error = new MaestroError(code, message, { details });
  if (stack !== undefined) error.stack = stack;
  return error;
}
