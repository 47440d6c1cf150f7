import { readEnvironment } from '@maestro/protocol';
import { buildNative, findNative, type NativeBuild } from './buildNative.ts';
import { checkNative, chooseSound } from './checkNative.ts';
import { loadNative, type NativeLibrary } from './nativeLibrary.ts';
import { OPERATORS_VERSION } from './operators.ts';

/** What a machine has of native operators, for people and for placement. */
export interface NativeDescription {
  readonly version: number;
  /** The instruction set in use; undefined where there is no library. */
  readonly isa?: string;
  readonly compiler?: string;
  /** SHA-256 of sources, flags and compiler. */
  readonly hash?: string;
  /** Why there is no library, or not the best instruction set of the machine. */
  readonly reason?: string;
}

/** A library with its description. */
export interface Opened {
  readonly library: NativeLibrary | undefined;
  readonly description: NativeDescription;
}

let opened: Opened | undefined;

/**
 * The library that set-up built, once its operators have given the bits of their test vectors; undefined where there is none: see
 * {@link describeNative}.
 */
export function openNative(): NativeLibrary | undefined {
  opened ??= openBuild(findNative());
  return opened.library;
}

/** What {@link openNative} found, or why it found nothing. */
export function describeNative(): NativeDescription {
  opened ??= openBuild(findNative());
  return opened.description;
}

/** Builds the library if need be, then opens it: for set-up and tests. */
export async function prepareNative(): Promise<NativeLibrary | undefined> {
  if (opened?.library === undefined) opened = openBuild(await buildNative());
  return opened.library;
}

/** Opens and checks a build. Where an instruction set fails, the next lower one of the machine is taken. */
export function openBuild(build: NativeBuild): Opened {
  const none = (reason: string): Opened => ({ library: undefined, description: { version: OPERATORS_VERSION, reason } });
  if (build.path === undefined) return none(build.reason);
  const library = loadNative(build.path);
  if (typeof library === 'string') return none(library);
  const { path, hash, compiler } = build;
  const { isas } = library;
  const allowed = readEnvironment()['MAESTRO_NATIVE_ISA'] ? [library.isa] : isas;
  const { isa, faults } = chooseSound(allowed, (each) => checkNative({ path, hash, isa: each, isas }));
  const reason = `${faults.join('; ')} (${compiler})`;
  if (isa === undefined) return none(reason);
  if (isa !== library.isa) library.useIsa(isa);
  return { library, description: { version: OPERATORS_VERSION, isa, compiler, hash, ...(faults.length > 0 && { reason }) } };
}
