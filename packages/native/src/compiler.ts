import { spawnSync } from 'node:child_process';
import { readEnvironment, type Variables } from '@maestro/protocol';

/** A C compiler that was found. */
export interface Compiler {
  readonly path: string;
  /** The first line that it says of itself. */
  readonly version: string;
}

/** The C compiler: $CC, `cc`, `gcc` or `clang`; or why there is none. `CC=false` means none. */
export function findCompiler(environment: Variables = readEnvironment()): Compiler | string {
  const named = environment['CC'];
  if (named === 'false') return 'CC=false';
  const candidates = named ? [named] : ['cc', 'gcc', 'clang'];
  for (const path of candidates) {
    const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000 });
    if (status === 0) return { path, version: stdout.split('\n')[0]! };
  }
  return `no C compiler (${candidates.join(', ')})`;
}
