import { type Device, MaestroError } from '@maestro/protocol';
import { type CudaFacts, type DeviceFinding, judgeCuda } from './judgeCuda.ts';
import { judgeWebGpu } from './judgeWebGpu.ts';
import { probeCuda } from './probeCuda.ts';
import { probeWebGpu } from './probeWebGpu.ts';

/** What stands between this machine and a device. `ok` when nothing does. */
export interface DeviceDiagnosis {
  readonly ok: boolean;
  readonly findings: readonly DeviceFinding[];
  /** What of this machine decides bits on the device, of the GPU of that number: members of a job must have it in common. */
  readonly build: (deviceId: number) => DeviceBuild;
}

/** By name; empty where the device leaves nothing open. */
export type DeviceBuild = Readonly<Record<string, string>>;

/**
 * Looks at what `device` needs: of CUDA files, libraries, device nodes and what the driver says; of WebGPU whether a session opens.
 * Whatever loads a driver does so in a process of its own. `cpu` is always there.
 */
export async function diagnoseDevice(device: Device): Promise<DeviceDiagnosis> {
  if (device === 'cuda') {
    const facts = await probeCuda();
    return { ...diagnosisOf(judgeCuda(facts)), build: (deviceId) => cudaBuild(facts, deviceId) };
  }
  return { ...diagnosisOf(device === 'cpu' ? [] : judgeWebGpu(await probeWebGpu())), build: () => ({}) };
}

function diagnosisOf(findings: readonly DeviceFinding[]): Pick<DeviceDiagnosis, 'ok' | 'findings'> {
  return { ok: findings.every(({ ok }) => ok), findings };
}

/** Libraries choose kernels by the GPU's model and by their own version. */
export function cudaBuild({ driver, cublas, cudnn }: CudaFacts, deviceId: number): DeviceBuild {
  const gpu = (driver.isLoaded ? driver.gpus[deviceId] : undefined) ?? 'unknown';
  return { gpu, cublas: String(cublas ?? 'unknown'), cudnn: String(cudnn ?? 'none') };
}

/** Devices that were found to work in this process; looking again would cost each job a second. */
const usable = new Map<Device, DeviceDiagnosis>();

/**
 * Fails at once where `device` cannot work, naming what is missing and how to get it.
 *
 * @throws MaestroError `device-unavailable`; `details.findings` has every finding.
 */
export async function requireDevice(what: string, device: Device): Promise<DeviceDiagnosis> {
  const diagnosis = usable.get(device) ?? (await diagnoseDevice(device));
  const { ok, findings } = diagnosis;
  if (!ok) {
    throw new MaestroError('device-unavailable', `${what}: device ${device} cannot be used here. ${describeLacks(findings)}`, {
      details: { findings },
    });
  }
  usable.set(device, diagnosis);
  return diagnosis;
}

/** Of each finding that is not as it should be what was found, and what to do. */
export function describeLacks(findings: readonly DeviceFinding[], separator = ' '): string {
  return findings
    .filter(({ ok }) => !ok)
    .map(({ what, found, fix }) => `${what}: ${found}. ${fix}`)
    .join(separator);
}
