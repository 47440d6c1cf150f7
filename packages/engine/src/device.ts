import { type Device, MaestroError } from '@maestro/protocol';
import { type DeviceFinding, judgeCuda } from './judgeCuda.ts';
import { judgeWebGpu } from './judgeWebGpu.ts';
import { probeCuda } from './probeCuda.ts';
import { probeWebGpu } from './probeWebGpu.ts';

/** What stands between this machine and a device. `ok` when nothing does. */
export interface DeviceDiagnosis {
  readonly ok: boolean;
  readonly findings: readonly DeviceFinding[];
}

/**
 * Looks at what `device` needs: of CUDA files, libraries, device nodes and what the driver says; of WebGPU whether a session opens. Whatever
 * loads a driver does so in a process of its own. `cpu` is always there.
 */
export async function diagnoseDevice(device: Device): Promise<DeviceDiagnosis> {
  if (device === 'cpu') return { ok: true, findings: [] };
  const findings = device === 'cuda' ? judgeCuda(await probeCuda()) : judgeWebGpu(await probeWebGpu());
  return { ok: findings.every(({ ok }) => ok), findings };
}

/** Devices that were found to work in this process; looking again would cost each job a second. */
const usable = new Set<Device>();

/**
 * Fails at once where `device` cannot work, naming what is missing and how to get it.
 *
 * @throws MaestroError `device-unavailable`; `details.findings` has every finding.
 */
export async function requireDevice(what: string, device: Device): Promise<void> {
  if (usable.has(device)) return;
  const { ok, findings } = await diagnoseDevice(device);
  if (!ok) {
    throw new MaestroError('device-unavailable', `${what}: device ${device} cannot be used here. ${describeLacks(findings)}`, {
      details: { findings },
    });
  }
  usable.add(device);
}

/** Of each finding that is not as it should be what was found, and what to do. */
export function describeLacks(findings: readonly DeviceFinding[], separator = ' '): string {
  return findings
    .filter(({ ok }) => !ok)
    .map(({ what, found, fix }) => `${what}: ${found}. ${fix}`)
    .join(separator);
}
