import { PROBLEM_TYPE, problemSchema } from '@maestro/protocol';

const problem = { description: 'A problem, RFC 9457', content: { [PROBLEM_TYPE]: { schema: problemSchema } } };

/** The responses of a route that may be refused, beside those of its success. */
export const PROBLEMS = { '4xx': problem, '5xx': problem } as const;
