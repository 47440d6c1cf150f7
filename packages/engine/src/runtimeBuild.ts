import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';

/** What, besides the job, decides the bits of a gradient. Two workers of a job must agree on it. */
export interface RuntimeBuild {
  /** Version of onnxruntime-node. */
  readonly ort: string;
  /** Such as `linux/x64`. */
  readonly platform: string;
  /** The widest vector instructions of this CPU, by which ONNX Runtime chooses its kernels; where unknown, the CPU's model. */
  readonly instructions: string;
}

/** Describes this process's runtime, for the identity of a job. */
export function runtimeBuild(): RuntimeBuild {
  const manifest = JSON.parse(readFileSync(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'), 'utf8')) as {
    version: string;
  };
  return { ort: manifest.version, platform: `${process.platform}/${process.arch}`, instructions: instructions() };
}

function instructions(): string {
  const model = cpus()[0]?.model ?? 'unknown';
  if (process.platform !== 'linux') return model;
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(/\s+/));
  return ['avx512f', 'avx2', 'avx', 'sve', 'asimd'].find((flag) => flags.has(flag)) ?? model;
}
