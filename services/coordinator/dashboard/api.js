// @ts-check
import { reportReached, reportUnreachable } from './connection.js';
import { navigate } from './router.js';

/** @typedef {import('./types/api.d.ts').Problem} Problem */

/** A refusal by the server, with its problem document; `status` 0 when it could not be reached. */
export class ApiError extends Error {
  /** @param {number} status @param {Problem} problem */
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `status ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.problem = problem;
  }
}

/**
 * Asks the API. Whoever is not signed in is taken to the login page, and comes back to where they were.
 * @template T
 * @param {string} path
 * @param {{ method?: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal | undefined }} [options]
 * @returns {Promise<T>}
 * @throws {ApiError}
 */
export async function request(path, { method = 'GET', body, headers = {}, signal } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { accept: 'application/json', ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    reportUnreachable();
    throw new ApiError(0, { title: 'not reached', detail: 'The coordinator cannot be reached.', code: 'unavailable', status: 0 });
  }
  reportReached();
  if (response.ok) return response.status === 204 ? /** @type {T} */ (undefined) : response.json();
  const problem = await readProblem(response);
  if (response.status === 401 && location.pathname !== '/login') {
    navigate(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  throw new ApiError(response.status, problem);
}

/** @param {Response} response @returns {Promise<Problem>} */
async function readProblem(response) {
  const fallback = {
    title: response.statusText,
    detail: `${response.status} ${response.statusText}`,
    code: 'internal',
    status: response.status,
  };
  try {
    return { ...fallback, ...(await response.json()) };
  } catch {
    return fallback;
  }
}

/** The text of anything that was thrown. @param {unknown} error */
export function errorText(error) {
  return error instanceof Error ? error.message : String(error);
}
