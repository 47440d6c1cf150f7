import { imageBuild } from '@maestro/data';
import { runtimeBuild } from '@maestro/engine';

/**
 * Returns the versions that decide bits: a checkpoint records them, and workers of one job must agree on them. Native operators have the
 * same bits on every instruction set; then their version takes its place.
 */
export function runtimeIdentity(native?: { readonly version: number }): Readonly<Record<string, unknown>> {
  const { instructions, ...build } = runtimeBuild();
  return { ...build, ...(native === undefined ? { instructions } : { operators: native.version }), ...imageBuild(), node: process.version };
}
