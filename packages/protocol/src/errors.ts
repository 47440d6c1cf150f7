/**
 * Every code an error of maestro can carry, with the gRPC status name and the HTTP status it becomes at the edge.
 * The set is closed: clients may switch over it.
 */
export const ERROR_CODES = {
  'invalid-argument': { grpc: 'INVALID_ARGUMENT', http: 400 },
  'not-found': { grpc: 'NOT_FOUND', http: 404 },
  conflict: { grpc: 'FAILED_PRECONDITION', http: 409 },
  'data-invalid': { grpc: 'FAILED_PRECONDITION', http: 422 },
  'checkpoint-invalid': { grpc: 'DATA_LOSS', http: 422 },
  'device-unavailable': { grpc: 'FAILED_PRECONDITION', http: 422 },
  'peer-lost': { grpc: 'UNAVAILABLE', http: 503 },
  'redis-unavailable': { grpc: 'UNAVAILABLE', http: 503 },
  unavailable: { grpc: 'UNAVAILABLE', http: 503 },
  'non-finite': { grpc: 'ABORTED', http: 500 },
  'protocol-violation': { grpc: 'INTERNAL', http: 500 },
  cancelled: { grpc: 'CANCELLED', http: 499 },
  timeout: { grpc: 'DEADLINE_EXCEEDED', http: 504 },
  storage: { grpc: 'INTERNAL', http: 507 },
  internal: { grpc: 'INTERNAL', http: 500 },
} as const satisfies Record<string, { grpc: string; http: number }>;

/** A key of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What may accompany an error: where it came from, and values that a program can read. */
export interface ErrorOptionsWithDetails {
  readonly cause?: unknown;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The one error class of maestro. The message names what failed, where, what was found and what was expected. */
export class MaestroError extends Error {
  override readonly name = 'MaestroError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, { cause, details = {} }: ErrorOptionsWithDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
}

/** Whether `error` is a {@link MaestroError} (of `code`, when given); true across realms and copies of this module. */
export function isMaestroError(error: unknown, code?: ErrorCode): error is MaestroError {
  const found = error as { name?: unknown; code?: unknown } | null;
  return typeof found === 'object' && found !== null && found.name === 'MaestroError' && (code === undefined || found.code === code);
}

/** The text of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error || (typeof error === 'object' && error !== null && 'message' in error)
    ? String((error as { message: unknown }).message)
    : String(error);
}

/** Fails with `internal: ...` unless `condition` holds: for what only a bug of ours can break. */
export function assertInternal(condition: unknown, message: string): asserts condition {
  if (!condition) throw new MaestroError('internal', `internal: ${message}`);
}
