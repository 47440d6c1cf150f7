import type { CudaOptions, Engine, Trainer } from '@maestro/engine';
import { DEVICES, type Device, isDevice, MaestroError } from '@maestro/protocol';

/** A worker's compute settings. All but the memory limit decide bits. */
export interface ComputeSettings {
  readonly device: Device;
  /** Threads of one run of the training graph. Part of a job's identity. */
  readonly threads: number;
  readonly engine: Engine | 'auto';
  /** True to keep state where the `capi` engine computes. Default: on any device but `cpu`. */
  readonly isResident?: boolean;
  readonly cuda: CudaOptions;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads `MAESTRO_DEVICE`, `_THREADS`, `_ENGINE`, `_RESIDENT`, and `MAESTRO_CUDA_DEVICE`, `_MEMORY_BYTES`, `_TF32` and `_DETERMINISTIC`.
 * @throws MaestroError `invalid-argument` naming the variable.
 */
export function readComputeSettings(env: Environment): ComputeSettings {
  const device = env['MAESTRO_DEVICE'] ?? 'cpu';
  if (!isDevice(device)) throw new MaestroError('invalid-argument', `MAESTRO_DEVICE: expected ${DEVICES.join(', ')}, found ${device}`);
  const engine = env['MAESTRO_ENGINE'] ?? 'auto';
  if (engine !== 'auto' && engine !== 'node' && engine !== 'capi') {
    throw new MaestroError('invalid-argument', `MAESTRO_ENGINE: expected auto, node or capi, found ${engine}`);
  }
  const isResident = env['MAESTRO_RESIDENT'] === undefined ? undefined : isOn(env, 'MAESTRO_RESIDENT', 'off');
  if (isResident && (engine === 'node' || (engine === 'auto' && device === 'cpu'))) {
    throw new MaestroError('invalid-argument', 'MAESTRO_RESIDENT: only the capi engine keeps state on the device; set MAESTRO_ENGINE=capi');
  }
  const memoryLimitBytes = env['MAESTRO_CUDA_MEMORY_BYTES'];
  return {
    device,
    engine,
    ...(isResident !== undefined && { isResident }),
    threads: whole(env, 'MAESTRO_THREADS', 1, 1),
    cuda: {
      deviceId: whole(env, 'MAESTRO_CUDA_DEVICE', 0, 0),
      ...(memoryLimitBytes !== undefined && { memoryLimitBytes: whole(env, 'MAESTRO_CUDA_MEMORY_BYTES', 1, 1) }),
      tf32: isOn(env, 'MAESTRO_CUDA_TF32', 'off'),
      deterministic: isOn(env, 'MAESTRO_CUDA_DETERMINISTIC', 'on'),
    },
  };
}

/**
 * Returns the part of the settings, and of the resulting trainer, that members must have in common. On a CPU both engines give the same
 * bits, and native operators give the same for any number of threads.
 */
export function computeIdentity(
  { device, threads, cuda }: ComputeSettings,
  { engine, isResident, deviceBuild }: Pick<Trainer, 'engine' | 'isResident' | 'deviceBuild'>,
  native?: object,
): Readonly<Record<string, unknown>> {
  return {
    device,
    ...(native === undefined && { threads }),
    ...(device !== 'cpu' && { engine, isResident }),
    ...deviceBuild,
    ...(device === 'cuda' && { tf32: cuda.tf32, deterministic: cuda.deterministic }),
  };
}

function whole(env: Environment, name: string, least: number, otherwise: number): number {
  const text = env[name];
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new MaestroError('invalid-argument', `${name}: expected a whole number of at least ${least}, found ${text}`);
}

function isOn(env: Environment, name: string, otherwise: 'on' | 'off'): boolean {
  const text = env[name] ?? otherwise;
  if (text === 'on' || text === 'off') return text === 'on';
  throw new MaestroError('invalid-argument', `${name}: expected on or off, found ${text}`);
}
