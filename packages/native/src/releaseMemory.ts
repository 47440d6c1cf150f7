import { createRequire } from 'node:module';
import { holdLibrary } from './holdLibrary.ts';

const PAGE_BYTES = 4096n;
/** MADV_DONTNEED of Linux: the pages go back to the system, and are zero when they are touched again. */
const DONT_NEED = 4;

type Advise = (address: bigint, bytes: bigint, advice: number) => number;

let advise: Advise | undefined;

/**
 * Gives the memory below a view back to the system, though the view lives on: the collector does not count shared memory, and may keep it
 * for hours. Its whole pages are zero from then on; nobody may read them any more. Does nothing where the system has no such call.
 */
export function releaseMemory(view: ArrayBufferView): void {
  if (process.platform !== 'linux') return;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    advise ??= holdLibrary(koffi, 'libc.so.6').func('int madvise(uintptr_t, size_t, int)') as Advise;
    const start = koffi.address(view);
    const first = ((start + PAGE_BYTES - 1n) / PAGE_BYTES) * PAGE_BYTES;
    const end = ((start + BigInt(view.byteLength)) / PAGE_BYTES) * PAGE_BYTES;
    if (end > first) advise(first, end - first, DONT_NEED);
  } catch {
    // No koffi for this machine, or another C library: the memory stays.
  }
}
