/** The stack of native calls: graph optimisers of ONNX Runtime recurse deeply while a session opens. */
const STACK_BYTES = 8 * 1024 * 1024;

type Koffi = Pick<typeof import('koffi'), 'config' | 'load'>;

/** koffi unloads a library whose handle nobody keeps, under the feet of those who call it. */
const held = new Set<unknown>();

/**
 * Loads a library for as long as this process lives. koffi takes the size of the stack before it loads the first library, and refuses it
 * later, so every library is loaded here.
 * @throws Error of koffi when the library cannot be loaded.
 */
export function holdLibrary(koffi: Koffi, path: string): ReturnType<Koffi['load']> {
  if (koffi.config().sync_stack_size !== STACK_BYTES) koffi.config({ ...koffi.config(), sync_stack_size: STACK_BYTES });
  const library = koffi.load(path);
  held.add(library);
  return library;
}
