import { z } from 'zod';
import { timeSchema } from './primitives.ts';

/** Levels that a query may ask for, in increasing urgency. */
export const LOG_QUERY_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** A line of a job's log: the process's output, and its cursor. */
export const logLineSchema = z
  .looseObject({
    cursor: z.string().describe('opaque; stays valid across restarts'),
    time: timeSchema,
    level: z.string(),
    role: z.string().optional().describe('the kind of process: coordinator or worker'),
    worker: z.string().optional(),
    job: z.string().optional(),
    msg: z.string().optional().describe('a fixed phrase; values are separate fields'),
  })
  .meta({ id: 'LogLine' });

const flagSchema = z
  .enum(['', 'true', 'false', '1', '0'])
  .transform((text) => text !== 'false' && text !== '0')
  .optional();

/** Selects lines of a job. */
const logFilterSchema = z.strictObject({
  worker: z.string().min(1).max(100).optional().describe('only lines of this worker'),
  level: z.enum(LOG_QUERY_LEVELS).optional().describe('lowest level to show'),
  search: z.string().max(1000).meta({ format: 'regex' }).optional().describe('pattern (RE2 syntax) that the line must match'),
  from: z.iso.datetime({ offset: true }).optional().describe('inclusive, RFC 3339'),
  to: z.iso.datetime({ offset: true }).optional().describe('exclusive, RFC 3339'),
});

/** See {@link logFilterSchema}. */
export type LogFilter = z.infer<typeof logFilterSchema>;

/** Limits the lines of one answer, unless it follows. */
const MOST_LOG_LINES = 10_000;

/** Cursor of a line: `c1:` and 16 digits, in base64url; three digits are four characters. */
export const LOG_CURSOR = /^YzE6(?:(?:[MN][DTjz]|O[DT])[AEIMQUYcgk][w-z0-5]){5}(?:[MN][AQgw]|O[AQ])$/;

/** See {@link LOG_CURSOR}. */
export const logCursorSchema = z.string().max(200).regex(LOG_CURSOR, 'not a cursor of a log line');

/** Query for a job's log lines. */
export const logQuerySchema = logFilterSchema.extend({
  follow: flagSchema.describe('continue with new lines until the job ends'),
  cursor: logCursorSchema.optional().describe('start after the line with this cursor'),
  tail: z.coerce.number().int().min(0).max(MOST_LOG_LINES).optional().describe('start with this many of the newest lines'),
  limit: z.coerce.number().int().min(1).max(MOST_LOG_LINES).optional().describe('maximum number of lines; default 1000 without follow'),
});

/** Query for a histogram of log lines. */
export const logHistogramQuerySchema = logFilterSchema.extend({
  buckets: z.coerce.number().int().min(1).max(500).default(60).describe('number of equal time spans'),
});

/** Counts of lines by level over time. */
export const logHistogramSchema = z
  .object({
    buckets: z.array(
      z.object({
        fromMs: z.number().describe('since 1970, inclusive'),
        toMs: z.number().describe('exclusive'),
        counts: z.record(z.string(), z.int()).describe('lines by level'),
      }),
    ),
  })
  .meta({ id: 'LogHistogram' });
