import { imageBuild } from '@maestro/data';
import { runtimeBuild } from '@maestro/engine';

/** Returns the versions that decide bits: a checkpoint records them, and workers of one job must agree on them. */
export function runtimeIdentity(): Readonly<Record<string, unknown>> {
  return { ...runtimeBuild(), ...imageBuild(), node: process.version };
}
