/** The part of the WebAssembly API that maestro uses; TypeScript declares it only with the DOM. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
}

interface WebAssemblyApi {
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: Record<string, Record<string, unknown>>) => { readonly exports: unknown };
}

export const webAssembly = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

/** Bytes of one WebAssembly page. */
export const PAGE_BYTES = 65_536;

/** Pages of the largest memory: 4 GiB. */
export const MAX_PAGES = 65_536;

/** True when several threads can hold this memory. Works across realms, unlike `instanceof`. */
export function isShared(memory: WasmMemory): boolean {
  return Object.prototype.toString.call(memory.buffer) === '[object SharedArrayBuffer]';
}

const modules = new Map<string, object>();

/** The exports of a module, given in base64, over a memory that it imports as `arena.memory`. It is compiled once a thread. */
export function openModule(base64: string, memory: WasmMemory): unknown {
  const module = modules.get(base64) ?? new webAssembly.Module(Buffer.from(base64, 'base64'));
  modules.set(base64, module);
  return new webAssembly.Instance(module, { arena: { memory } }).exports;
}
