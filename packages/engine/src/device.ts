import { execFile } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Device, errorMessage, MaestroError } from '@maestro/protocol';
import { listSupportedBackends } from 'onnxruntime-node';
import { type CudaFacts, type DeviceFinding, judgeCuda, PROVIDER_FILES } from './judgeCuda.ts';
import { judgeWebGpu, type WebGpuFacts } from './judgeWebGpu.ts';

/** What stands between this machine and a device. `ok` when nothing does. */
export interface DeviceDiagnosis {
  readonly ok: boolean;
  readonly findings: readonly DeviceFinding[];
}

const LDD_TIMEOUT_MS = 10_000;
/** A driver may compile for some seconds when it is first used. */
const PROBE_TIMEOUT_MS = 30_000;

/**
 * Looks at what `device` needs: of CUDA libraries, device nodes and the driver, without starting it; of WebGPU whether a session opens, in a
 * process of its own. `cpu` is always there.
 */
export async function diagnoseDevice(device: Device): Promise<DeviceDiagnosis> {
  if (device === 'cpu') return { ok: true, findings: [] };
  const findings = device === 'cuda' ? judgeCuda(await probeCuda()) : judgeWebGpu(await probeWebGpu());
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

async function probeWebGpu(): Promise<WebGpuFacts> {
  const platform = `${process.platform}/${process.arch}`;
  const isBundled = listSupportedBackends().some(({ name, bundled }) => name === 'webgpu' && bundled);
  if (!isBundled) return { platform, isBundled };
  const entry = fileURLToPath(new URL('./probeWebGpuMain.js', import.meta.url));
  const failure = await new Promise<string | undefined>((resolve) => {
    execFile(process.execPath, [entry], { timeout: PROBE_TIMEOUT_MS }, (error, _, stderr) =>
      resolve(error === null ? undefined : stderr || errorMessage(error)),
    );
  });
  return { platform, isBundled, ...(failure !== undefined && { failure }) };
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
