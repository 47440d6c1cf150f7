import { z } from 'zod';
import { ERROR_CODES, type ErrorCode, errorMessage, isMaestroError } from '../errors.ts';

const CODES = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]];

/** An error of the HTTP API, RFC 9457; served as `application/problem+json`. */
export const problemSchema = z
  .object({
    type: z.string().describe('URI of the code: urn:maestro:error:<code>'),
    title: z.string().describe('meaning of the code'),
    status: z.int().describe('the HTTP status'),
    detail: z.string().describe('what happened and what to do about it'),
    code: z.enum(CODES).describe('stable: clients may switch on it'),
    path: z.string().optional().describe('path of the request'),
    errors: z.array(z.string()).optional().describe('every problem in the input: its place, what was found, what is allowed'),
  })
  .meta({ id: 'Problem' });

/** See {@link problemSchema}. */
export type Problem = z.infer<typeof problemSchema>;

/** The media type of {@link Problem}. */
export const PROBLEM_TYPE = 'application/problem+json';

/**
 * Converts an error at `path` to a problem. An error that is not a MaestroError is our own bug: its text goes to the log, not to the
 * client.
 */
export function problemOf(error: unknown, path?: string): Problem {
  const code: ErrorCode = isMaestroError(error) ? error.code : 'internal';
  const detail = isMaestroError(error) ? errorMessage(error) : "internal: a bug in maestro; see the coordinator's log";
  const issues = isMaestroError(error) ? error.details['issues'] : undefined;
  const { http: status, title } = ERROR_CODES[code];
  return {
    type: `urn:maestro:error:${code}`,
    title,
    status,
    detail,
    code,
    ...(path !== undefined && { path }),
    ...(Array.isArray(issues) && { errors: issues.map(String) }),
  };
}
