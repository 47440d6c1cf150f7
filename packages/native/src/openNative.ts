import { buildNative, findNative, type NativeBuild } from './buildNative.ts';
import { loadNative, type NativeLibrary } from './nativeLibrary.ts';
import { OPERATORS_VERSION } from './operators.ts';
import { wrongOperators } from './testVectors.ts';

/** What a machine has of native operators, for people and for placement. */
export interface NativeDescription {
  readonly version: number;
  /** The instruction set in use; undefined where there is no library. */
  readonly isa?: string;
  readonly compiler?: string;
  /** SHA-256 of sources, flags and compiler. */
  readonly hash?: string;
  /** Why there is no library. */
  readonly reason?: string;
}

interface Opened {
  readonly library: NativeLibrary | undefined;
  readonly description: NativeDescription;
}

let opened: Opened | undefined;

/** The library that set-up built, checked once a process against its test vectors; undefined where there is none: see {@link describeNative}. */
export function openNative(): NativeLibrary | undefined {
  opened ??= open(findNative());
  return opened.library;
}

/** What {@link openNative} found, or why it found nothing. */
export function describeNative(): NativeDescription {
  opened ??= open(findNative());
  return opened.description;
}

/** Builds the library if need be, then opens it: for set-up and tests. */
export async function prepareNative(): Promise<NativeLibrary | undefined> {
  if (opened?.library === undefined) opened = open(await buildNative());
  return opened.library;
}

function open(build: NativeBuild): Opened {
  const none = (reason: string): Opened => ({ library: undefined, description: { version: OPERATORS_VERSION, reason } });
  if (build.path === undefined) return none(build.reason);
  const library = loadNative(build.path);
  if (typeof library === 'string') return none(library);
  const wrong = wrongOperators(library);
  if (wrong.length > 0) return none(`${build.compiler} gives other bits for ${wrong.join(', ')} on ${library.isa}`);
  return { library, description: { version: OPERATORS_VERSION, isa: library.isa, compiler: build.compiler, hash: build.hash } };
}
