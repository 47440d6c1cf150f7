import { execFile } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Device, errorMessage, MaestroError } from '@maestro/protocol';
import { type CudaFacts, type DeviceFinding, judgeCuda, PROVIDER_FILES } from './judgeCuda.ts';

/** What stands between this machine and a device. `ok` when nothing does. */
export interface DeviceDiagnosis {
  readonly ok: boolean;
  readonly findings: readonly DeviceFinding[];
}

const LDD_TIMEOUT_MS = 10_000;

/** Looks at what `device` needs, without starting it: libraries, device nodes, driver. `cpu` is always there. */
export async function diagnoseDevice(device: Device): Promise<DeviceDiagnosis> {
  if (device === 'cpu') return { ok: true, findings: [] };
  const findings = judgeCuda(await probeCuda());
  return { ok: findings.every(({ ok }) => ok), findings };
}

/**
 * Fails at once where `device` cannot work, naming what is missing and how to get it.
 *
 * @throws MaestroError `device-unavailable`; `details.findings` has every finding.
 */
export async function requireDevice(what: string, device: Device): Promise<void> {
  const { ok, findings } = await diagnoseDevice(device);
  if (ok) return;
  const missing = findings.filter((finding) => !finding.ok).map(({ what: need, found, fix }) => `${need}: ${found}. ${fix}`);
  throw new MaestroError('device-unavailable', `${what}: device ${device} cannot be used here. ${missing.join(' ')}`, {
    details: { findings },
  });
}

async function probeCuda(): Promise<CudaFacts> {
  const folder = addonFolder();
  const files = PROVIDER_FILES.map((name) => join(folder, name));
  const present = await Promise.all(files.map((path) => isReadable(path)));
  const provider = files[PROVIDER_FILES.indexOf('libonnxruntime_providers_cuda.so')]!;
  return {
    platform: `${process.platform}/${process.arch}`,
    folder,
    missingFiles: PROVIDER_FILES.filter((_, i) => !present[i]),
    ...(present.every(Boolean) && { ldd: await ldd(provider) }),
    deviceNodes: (await readdir('/dev').catch(() => [])).filter((name) => /^nvidia\d+$|^dxg$/.test(name)),
    driver: await readFile('/proc/driver/nvidia/version', 'utf8').catch(() => undefined),
  };
}

/** Where the native part of onnxruntime-node lies, beside which it looks for providers. */
function addonFolder(): string {
  const root = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return join(root, '..', 'bin', 'napi-v6', process.platform, process.arch);
}

async function isReadable(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The output of `ldd`; where it cannot run, its error, which names no library as missing. */
function ldd(path: string): Promise<string> {
  return new Promise((resolve) => {
    execFile('ldd', [path], { timeout: LDD_TIMEOUT_MS }, (error, stdout) => resolve(error ? errorMessage(error) : stdout));
  });
}
