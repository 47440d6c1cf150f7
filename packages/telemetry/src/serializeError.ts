import { errorMessage } from '@maestro/protocol';

/** Maximum depth of causes: enough for any real chain, and an end to a circular one. */
const MAX_CAUSES = 5;

/**
 * Converts anything thrown to plain data for a log line: {name, code, message, details, stack, cause}, causes included. Fields that the
 * error lacks are left out.
 */
export function serializeError(error: unknown, depth = 0): Record<string, unknown> {
  const { name, code, details, stack, cause } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  return {
    ...(typeof name === 'string' && { name }),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    message: errorMessage(error),
    ...(isFilledObject(details) && { details }),
    ...(typeof stack === 'string' && { stack }),
    ...(cause !== undefined && depth < MAX_CAUSES && { cause: serializeError(cause, depth + 1) }),
  };
}

function isFilledObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}
