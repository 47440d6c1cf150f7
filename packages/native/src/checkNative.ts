import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { OPERATORS_VERSION } from './operators.ts';
import { readRecord, writeRecord } from './record.ts';
import { VECTOR_HASHES } from './vectorHashes.ts';

const CHECK = fileURLToPath(new URL('./checkMain.js', import.meta.url));
const TIMEOUT_MS = 120_000;
/** What a processor or a library does, and would do again; a process that was killed or too slow is checked again the next time. */
const FAULTS: ReadonlySet<string> = new Set(['SIGILL', 'SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGABRT', 'SIGTRAP']);

const recordSchema = z.strictObject({ isa: z.string(), fault: z.string() });

/** What is checked: a library, on an instruction set of a machine that has these. */
export interface NativeCheck {
  readonly path: string;
  readonly hash: string;
  readonly isa: string;
  readonly isas: readonly string[];
}

/**
 * Compares the operators with their test vectors in another process, once per library, instruction set and kind of processor; the outcome is
 * kept beside the library.
 * @returns what is wrong; undefined when nothing is
 */
export function checkNative({ path, hash, isa, isas }: NativeCheck): string | undefined {
  const key = JSON.stringify([hash, isa, isas, cpus()[0]?.model, OPERATORS_VERSION, VECTOR_HASHES]);
  const record = join(dirname(path), `checked-${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`);
  const known = readRecord(record, recordSchema);
  if (known !== undefined) return known.fault || undefined;
  const { fault, isLasting } = runCheck(path, isa);
  if (isLasting) keep(record, { isa, fault: fault ?? '' });
  return fault;
}

function runCheck(path: string, isa: string): { readonly fault: string | undefined; readonly isLasting: boolean } {
  // The child holds itself to the instruction set; what this process is held to may not hinder it.
  const env = { ...process.env, MAESTRO_NATIVE_ISA: '' };
  const { status, signal, stdout, stderr, error } = spawnSync(process.execPath, [CHECK, path, isa], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env,
  });
  if (signal !== null) return { fault: `the check on ${isa} ended with ${signal}`, isLasting: error === undefined && FAULTS.has(signal) };
  if (status !== 0) {
    const why = error?.message ?? stderr.split('\n').find((line) => /error/i.test(line)) ?? `code ${status}`;
    return { fault: `the check on ${isa} failed: ${why}`, isLasting: false };
  }
  const wrong = z.array(z.string()).parse(JSON.parse(stdout));
  return { fault: wrong.length === 0 ? undefined : `other bits on ${isa} for ${wrong.join(', ')}`, isLasting: true };
}

/** Where the folder cannot be written, as in an image, each process checks by itself. */
function keep(record: string, content: z.infer<typeof recordSchema>): void {
  try {
    writeRecord(record, content);
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** The best of some instruction sets (best last) that has no fault, and the faults of those above it. */
export function chooseSound(
  isas: readonly string[],
  faultOf: (isa: string) => string | undefined,
): { readonly isa: string | undefined; readonly faults: readonly string[] } {
  const faults: string[] = [];
  for (const isa of isas.toReversed()) {
    const fault = faultOf(isa);
    if (fault === undefined) return { isa, faults };
    faults.push(fault);
  }
  return { isa: undefined, faults };
}
