import { execFile } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorMessage } from '@maestro/protocol';
import { type CudaAnswers, type CudaFacts, PROVIDER_FILES } from './judgeCuda.ts';

const LDD_TIMEOUT_MS = 10_000;
/** A driver may take some seconds to wake its GPUs. */
const DRIVER_TIMEOUT_MS = 30_000;
/** Where CUDA's own packages put a folder for each version. */
const USUAL_PLACE = '/usr/local';
const CUDA_LIBRARY = /^lib(?:cudart|cublas|cublasLt|curand)\.so\.\d+$/;

/** Where to look, other than this machine's places; for tests. */
export interface CudaPlaces {
  /** The folder of onnxruntime-node's addon, beside which it looks for providers. */
  readonly folder?: string;
  /** The environment of processes that look for libraries. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Looks at what CUDA needs: files, libraries, device nodes; and asks the driver, in a process of its own. */
export async function probeCuda({ folder = addonFolder(), env = process.env }: CudaPlaces = {}): Promise<CudaFacts> {
  const platform = `${process.platform}/${process.arch}`;
  const files = PROVIDER_FILES.map((name) => join(folder, name));
  const present = await Promise.all(files.map((path) => isReadable(path)));
  const provider = files[PROVIDER_FILES.indexOf('libonnxruntime_providers_cuda.so')]!;
  return {
    platform,
    folder,
    missingFiles: PROVIDER_FILES.filter((_, i) => !present[i]),
    ...(present.every(Boolean) && { ldd: await outputOf('ldd', [provider], { env, timeout: LDD_TIMEOUT_MS }) }),
    cudaLibraries: await cudaLibraries(env),
    deviceNodes: (await readdir('/dev').catch(() => [])).filter((name) => /^nvidia\d+$|^dxg$/.test(name)),
    kernelModule: await readFile('/proc/driver/nvidia/version', 'utf8').catch(() => undefined),
    ...(await askLibraries(env)),
  };
}

/** Where the native part of onnxruntime-node lies, beside which it looks for providers. */
function addonFolder(): string {
  const root = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return join(root, '..', 'bin', 'napi-v6', process.platform, process.arch);
}

async function cudaLibraries(env: NodeJS.ProcessEnv): Promise<string[]> {
  const cached = (await outputOf('/sbin/ldconfig', ['-p'], { env, timeout: LDD_TIMEOUT_MS })).matchAll(/^\s*(\S+) .* => (\S+)$/gm);
  const known = [...cached].flatMap(([, name, path]) => (CUDA_LIBRARY.test(name!) ? [path!] : []));
  const installed = (await readdir(USUAL_PLACE).catch(() => [])).filter((name) => name.startsWith('cuda'));
  const folders = [
    ...(env['LD_LIBRARY_PATH'] ?? '').split(':').filter(Boolean),
    ...installed.map((name) => join(USUAL_PLACE, name, 'lib64')),
  ];
  const listed = await Promise.all(
    folders.map(async (dir) => {
      const names = await readdir(dir).catch(() => []);
      return names.filter((name) => CUDA_LIBRARY.test(name)).map((name) => join(dir, name));
    }),
  );
  return [...new Set([...known, ...listed.flat()])];
}

/** A driver that crashes or hangs takes its process along, and no other. */
function askLibraries(env: NodeJS.ProcessEnv): Promise<CudaAnswers> {
  const entry = fileURLToPath(new URL('./askCudaMain.js', import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [entry], { env, timeout: DRIVER_TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) return resolve(JSON.parse(stdout) as CudaAnswers);
      const reason = error.killed
        ? `libcuda.so.1 did not answer in ${DRIVER_TIMEOUT_MS / 1000} s`
        : error.signal
          ? `libcuda.so.1 ended the process that asked it (${error.signal})`
          : `libcuda.so.1 could not be asked: ${stderr.trim().split('\n').at(-1) ?? errorMessage(error)}`;
      resolve({ driver: { isLoaded: false, reason } });
    });
  });
}

async function isReadable(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** What a program prints; where it cannot run or fails, its error. */
function outputOf(
  command: string,
  args: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly timeout: number },
): Promise<string> {
  return new Promise((resolve) => {
    execFile(command, [...args], options, (error, stdout, stderr) =>
      resolve(error === null ? stdout : `${errorMessage(error)}\n${stderr}`),
    );
  });
}
