/**
 * Every code that an error of maestro can carry, with its gRPC status name and HTTP status at the edge, and its meaning. The set is closed:
 * clients may switch over it.
 */
export const ERROR_CODES = {
  'invalid-argument': { grpc: 'INVALID_ARGUMENT', http: 400, title: 'The request is invalid' },
  unauthenticated: { grpc: 'UNAUTHENTICATED', http: 401, title: 'A valid token is required' },
  'permission-denied': { grpc: 'PERMISSION_DENIED', http: 403, title: 'The role of the token does not allow this' },
  'not-found': { grpc: 'NOT_FOUND', http: 404, title: 'Not found' },
  'method-not-allowed': { grpc: 'UNIMPLEMENTED', http: 405, title: 'The path does not support this method' },
  conflict: { grpc: 'FAILED_PRECONDITION', http: 409, title: 'The current state does not allow this' },
  'too-large': { grpc: 'RESOURCE_EXHAUSTED', http: 413, title: 'The request is too large' },
  'rate-limited': { grpc: 'RESOURCE_EXHAUSTED', http: 429, title: 'Too many requests' },
  'data-invalid': { grpc: 'FAILED_PRECONDITION', http: 422, title: 'The data set cannot be used' },
  'checkpoint-invalid': { grpc: 'DATA_LOSS', http: 422, title: 'The checkpoint is damaged or incomplete' },
  'device-unavailable': { grpc: 'FAILED_PRECONDITION', http: 422, title: 'The device is missing or cannot be used' },
  'peer-lost': { grpc: 'UNAVAILABLE', http: 503, title: 'A worker was lost' },
  'redis-unavailable': { grpc: 'UNAVAILABLE', http: 503, title: 'Redis cannot be reached' },
  unavailable: { grpc: 'UNAVAILABLE', http: 503, title: 'The service is temporarily unavailable' },
  'non-finite': { grpc: 'ABORTED', http: 500, title: 'The loss or a gradient is not finite' },
  'protocol-violation': { grpc: 'INTERNAL', http: 500, title: 'A peer broke the protocol' },
  cancelled: { grpc: 'CANCELLED', http: 499, title: 'It was cancelled' },
  timeout: { grpc: 'DEADLINE_EXCEEDED', http: 504, title: 'The operation timed out' },
  storage: { grpc: 'INTERNAL', http: 507, title: 'The storage cannot be read or written' },
  internal: { grpc: 'INTERNAL', http: 500, title: 'A bug of maestro' },
} as const satisfies Record<string, { grpc: string; http: number; title: string }>;

/** A key of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** Optional data of an error: its cause, and machine-readable details. */
export interface ErrorOptionsWithDetails {
  readonly cause?: unknown;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The only error class of maestro. The message says what failed and where, what was found, and what was expected. */
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

/** Returns true when `error` is a {@link MaestroError} (of `code`, when given); works across realms and copies of this module. */
export function isMaestroError(error: unknown, code?: ErrorCode): error is MaestroError {
  const found = error as { name?: unknown; code?: unknown } | null;
  return typeof found === 'object' && found !== null && found.name === 'MaestroError' && (code === undefined || found.code === code);
}

/** Returns the message of any thrown value. */
export function errorMessage(error: unknown): string {
  return error instanceof Error || (typeof error === 'object' && error !== null && 'message' in error)
    ? String((error as { message: unknown }).message)
    : String(error);
}

/** Throws `internal: ...` unless `condition` holds: for conditions that only our own bug can break. */
export function assertInternal(condition: unknown, message: string): asserts condition {
  if (!condition) throw new MaestroError('internal', `internal: ${message}`);
}
