import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { z } from 'zod';

/** Reads a small JSON file; undefined where it is missing or not what the schema says. */
export function readRecord<Content>(path: string, schema: z.ZodType<Content>): Content | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Writes it whole or not at all: other processes may read and write it at the same time. */
export function writeRecord(path: string, content: unknown): void {
  const scratch = `${path}.${process.pid}`;
  writeFileSync(scratch, `${JSON.stringify(content)}\n`);
  renameSync(scratch, path);
}
