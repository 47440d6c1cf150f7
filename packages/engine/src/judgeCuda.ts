/** The files that onnxruntime-node loads for CUDA, beside its addon. */
export const PROVIDER_FILES = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'] as const;

/** The least driver for a CUDA major version (CUDA release notes, "CUDA Toolkit and Minimum Required Driver Version", Linux). */
const LEAST_DRIVER: Readonly<Record<string, number>> = { '12': 525, '13': 580 };

/** What was looked at, and found, on the way to CUDA. */
export interface CudaFacts {
  /** Such as `linux/x64`. */
  readonly platform: string;
  /** The folder of the addon. */
  readonly folder: string;
  readonly missingFiles: readonly string[];
  /** The output of `ldd` on the provider, when it is there. */
  readonly ldd?: string;
  /** Names in /dev that are NVIDIA devices. */
  readonly deviceNodes: readonly string[];
  /** /proc/driver/nvidia/version. */
  readonly driver: string | undefined;
}

/** One thing that a device needs: whether it is there, what was found, and what to do when it is not (else empty). */
export interface DeviceFinding {
  readonly what: string;
  readonly ok: boolean;
  readonly found: string;
  readonly fix: string;
}

/** What the facts mean for ONNX Runtime on CUDA, in the order in which to put things right; libraries only once the provider is there. */
export function judgeCuda({ platform, folder, missingFiles, ldd, deviceNodes, driver }: CudaFacts): DeviceFinding[] {
  const cudaMajor = /libcudart\.so\.(\d+)/.exec(ldd ?? '')?.[1];
  const driverMajor = Number(/(?:Kernel Module\D*|NVRM version\D*)(\d+)\.\d+/.exec(driver ?? '')?.[1] ?? Number.NaN);
  const leastDriver = cudaMajor === undefined ? undefined : LEAST_DRIVER[cudaMajor];
  const isWsl = deviceNodes.includes('dxg');
  const driverIsOld = leastDriver !== undefined && driverMajor < leastDriver;

  return [
    {
      what: 'platform',
      ok: platform === 'linux/x64',
      found: platform,
      fix: 'onnxruntime-node has a CUDA provider for linux/x64 only; use device cpu.',
    },
    {
      what: 'CUDA provider of ONNX Runtime',
      ok: missingFiles.length === 0,
      found: missingFiles.length === 0 ? `in ${folder}` : `${missingFiles.join(' and ')} missing in ${folder}`,
      fix:
        'Run `ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install` (CUDA 12; it downloads the libraries), ' +
        'or copy both files out of the npm package com.github.asus4.onnxruntime.linux-x64-gpu@0.4.9 (the same version for CUDA 13).',
    },
    ...(ldd === undefined ? [] : [judgeLibraries(ldd, cudaMajor)]),
    {
      what: 'NVIDIA device',
      ok: deviceNodes.length > 0,
      found: deviceNodes.length > 0 ? deviceNodes.map((name) => `/dev/${name}`).join(', ') : 'no /dev/nvidia0',
      fix: 'Install the NVIDIA driver; in a container, start it with `--gpus all` (NVIDIA Container Toolkit).',
    },
    {
      what: 'NVIDIA driver',
      ok: isWsl || (driver !== undefined && !driverIsOld),
      found: driver === undefined ? 'no /proc/driver/nvidia/version' : (driver.split('\n')[0] ?? ''),
      fix: `Install an NVIDIA driver${leastDriver === undefined ? '' : ` of version ${leastDriver} or later, as CUDA ${cudaMajor} needs`}.`,
    },
  ].map((finding) => (finding.ok ? { ...finding, fix: '' } : finding));
}

function judgeLibraries(ldd: string, cudaMajor: string | undefined): DeviceFinding {
  const missing = [...new Set([...ldd.matchAll(/^\s*(\S+) => not found/gm)].map(([, soname]) => soname!))];
  const wasRead = ldd.includes('=>');
  const driverHint = missing.includes('libcuda.so.1') ? ' (libcuda.so.1 comes with the driver)' : '';
  return {
    what: 'CUDA libraries',
    ok: missing.length === 0,
    found: !wasRead ? `could not be checked: ${ldd.trim()}` : missing.length === 0 ? 'all found' : `${missing.join(', ')} not found`,
    fix: `Install the CUDA${cudaMajor === undefined ? '' : ` ${cudaMajor}`} libraries that are named${driverHint}, and put their folder on LD_LIBRARY_PATH before Node starts.`,
  };
}

/** CUDA's error numbers that say something of the machine, not of us (driver_types.h), as ONNX Runtime prints them: `CUDA failure 35: ...`. */
const CUDA_FAILURES: Readonly<Record<string, string>> = {
  '2': 'the GPU has too little free memory: take smaller micro-batches, or set MAESTRO_CUDA_MEMORY_BYTES where others use it too',
  '35': 'the NVIDIA driver is missing, or older than the CUDA libraries need',
  '100': 'the driver finds no GPU: look at nvidia-smi, and in a container start it with `--gpus all`',
  '101': 'there is no GPU of that number: set MAESTRO_CUDA_DEVICE',
  '209': 'the CUDA provider has no kernels for this GPU: it is too old or too new for this build',
  '803': 'driver and CUDA libraries do not fit each other: install a driver of the version that the CUDA release notes name',
};

/** The message of ONNX Runtime, with what its CUDA error number means where that is known. */
export function explainCudaFailure(message: string): string {
  const meaning = CUDA_FAILURES[/CUDA (?:failure|error) (\d+)/.exec(message)?.[1] ?? ''];
  return meaning === undefined ? message : `${meaning} (${message})`;
}

/** Whether ONNX Runtime refused the device, and not the model. */
export function isDeviceRefusal(message: string): boolean {
  return /ExecutionProvider|WebGPU adapter|CUDA/.test(message);
}
