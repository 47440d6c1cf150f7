import { PROBLEM_TYPE, problemSchema } from '@maestro/protocol';

const problem = { description: 'A problem, RFC 9457', content: { [PROBLEM_TYPE]: { schema: problemSchema } } };

/** Error responses of a route, besides those of its success. */
export const PROBLEMS = { '4xx': problem, '5xx': problem } as const;
