import { z } from 'zod';

/** A point in time, RFC 3339 in UTC with milliseconds. */
export const timeSchema = z.iso.datetime({ precision: 3 }).describe('RFC 3339, UTC');

/** A non-negative count. */
export const countSchema = z.int().min(0);

/** The id of a job: `job-` and 26 characters that sort by time of creation. */
export const jobIdSchema = z
  .string()
  .regex(/^job-[0-9a-hjkmnp-tv-z]{26}$/, 'expected job- and 26 characters of a-z and 0-9')
  .describe('job id; ids sort by creation time');

/** A step in a path or a query. */
export const stepParamSchema = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Reference to a job: id, prefix, name or @last. */
const jobReferenceSchema = z
  .string()
  .min(1)
  .max(100)
  .describe("a job's id, a unique prefix of it, its name if it is unique, or @last for the newest");

/** Path parameter of every endpoint below a job. */
export const jobParamsSchema = z.strictObject({ id: jobReferenceSchema });
