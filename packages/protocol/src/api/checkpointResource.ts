import { z } from 'zod';
import { countSchema, timeSchema } from './primitives.ts';

/** A checkpoint of a job that is on disk. */
export const checkpointResourceSchema = z
  .object({
    step: countSchema,
    path: z.string().describe("folder, on the coordinator's machine"),
    hash: z.string().optional().describe('SHA-256 over parameters and moments in name order, hex; absent when the manifest cannot be read'),
    bytes: countSchema,
    createdAt: timeSchema,
    valid: z.boolean().describe('manifest and file sizes match, and the job wrote it; `maestro checkpoint verify` reads every byte'),
    problem: z.string().optional().describe('what is wrong'),
  })
  .meta({ id: 'Checkpoint' });

/** See {@link checkpointResourceSchema}. */
export type CheckpointResource = z.infer<typeof checkpointResourceSchema>;
