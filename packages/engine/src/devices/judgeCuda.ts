import { basename, dirname } from 'node:path';

/** The files that onnxruntime-node loads for CUDA, beside its addon. */
export const PROVIDER_FILES = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'] as const;

/** The least driver for a CUDA major version (CUDA release notes, "CUDA Toolkit and Minimum Required Driver Version", Linux). */
const LEAST_DRIVER: Readonly<Record<string, number>> = { '12': 525, '13': 580 };

/** The library by which programs speak to the driver, and which it brings. */
const DRIVER_LIBRARY = 'libcuda.so.1';

/** What the driver itself says: why it cannot be asked, or its answers. */
export type DriverAnswer =
  | { readonly isLoaded: false; readonly reason: string }
  | {
      readonly isLoaded: true;
      /** The result of `cuInit`; 0 is success. */
      readonly init: number;
      /** The newest CUDA that it serves, such as 13000. */
      readonly cudaVersion: number;
      readonly gpus: readonly string[];
    };

/** What the driver and the libraries say, by their own calls. */
export interface CudaAnswers {
  readonly driver: DriverAnswer;
  /** Versions as the libraries number them; undefined where they are not there. */
  readonly cublas?: number | undefined;
  readonly cudnn?: number | undefined;
}

/** What was looked at, and found, on the way to CUDA. */
export interface CudaFacts extends CudaAnswers {
  /** Such as `linux/x64`. */
  readonly platform: string;
  /** The folder of the addon. */
  readonly folder: string;
  readonly missingFiles: readonly string[];
  /** The output of `ldd` on the provider, when it is there. */
  readonly ldd?: string;
  /** Paths of CUDA's libraries, of any version, where the loader looks and in the usual places. */
  readonly cudaLibraries: readonly string[];
  /** Names in /dev that are NVIDIA devices. */
  readonly deviceNodes: readonly string[];
  /** /proc/driver/nvidia/version. */
  readonly kernelModule: string | undefined;
}

/** One thing that a device needs: whether it is there, what was found, and what to do when it is not (else empty). */
export interface DeviceFinding {
  readonly what: string;
  readonly ok: boolean;
  readonly found: string;
  readonly fix: string;
}

/**
 * What the facts mean for ONNX Runtime on CUDA, in the order in which to put things right. Each cause is one finding: libraries count only
 * once the provider is there, and all that a driver brings is the driver.
 */
export function judgeCuda(facts: CudaFacts): DeviceFinding[] {
  const { platform, folder, missingFiles, ldd } = facts;
  const isFit = platform === 'linux/x64';
  const here: DeviceFinding = {
    what: 'platform',
    ok: isFit,
    found: platform,
    fix: 'onnxruntime-node has a CUDA provider for linux/x64 only; use device cpu.',
  };
  if (!isFit) return [here];
  const cudaMajor = /libcudart\.so\.(\d+)/.exec(ldd ?? '')?.[1];
  const isWhole = missingFiles.length === 0;
  const isDamaged = ldd !== undefined && /not a dynamic executable|unknown exit code/.test(ldd);
  const provider: DeviceFinding = {
    what: 'CUDA provider of ONNX Runtime',
    ok: isWhole && !isDamaged,
    found: !isWhole ? `${missingFiles.join(' and ')} missing in ${folder}` : isDamaged ? `in ${folder}, but damaged` : `in ${folder}`,
    fix:
      'Run `ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install` (CUDA 12; it downloads the libraries), ' +
      'or copy both files out of the npm package com.github.asus4.onnxruntime.linux-x64-gpu@0.4.9 (the same version for CUDA 13).',
  };
  const libraries = ldd === undefined || isDamaged ? [] : [judgeLibraries(ldd, cudaMajor, facts.cudaLibraries)];
  // Some kernels need it, others use it where it is there: so it is no need, but part of what decides bits.
  const cudnn = { what: 'cuDNN', ok: true, found: facts.cudnn === undefined ? 'none; it is optional' : `version ${facts.cudnn}`, fix: '' };
  const driver = { what: 'NVIDIA driver', ...judgeDriver(facts, cudaMajor) };
  return [here, provider, ...libraries, cudnn, driver].map((finding) => (finding.ok ? { ...finding, fix: '' } : finding));
}

function judgeLibraries(ldd: string, cudaMajor: string | undefined, present: readonly string[]): DeviceFinding {
  const wanted = [...ldd.matchAll(/^\s*(\S+) => not found/gm)].map(([, soname]) => soname!);
  const missing = [...new Set(wanted)].filter((soname) => soname !== DRIVER_LIBRARY);
  const version = cudaMajor === undefined ? 'CUDA' : `CUDA ${cudaMajor}`;
  const elsewhere = missing.flatMap((soname) => present.find((path) => basename(path) === soname) ?? []);
  const folders = [...new Set(elsewhere.map((path) => dirname(path)))];
  const lacking = missing.filter((soname) => !elsewhere.some((path) => basename(path) === soname));
  const others = present.filter((path) => {
    const major = /libcudart\.so\.(\d+)/.exec(path)?.[1];
    return major !== undefined && major !== cudaMajor;
  });
  const isOther = lacking.length > 0 && others.length > 0 && !present.some((path) => path.endsWith(`libcudart.so.${cudaMajor}`));
  const wrongMajor = isOther ? `; what is here is CUDA of another version (${others.join(', ')})` : '';
  const steps = [
    ...(folders.length > 0 ? [`Put ${folders.join(':')} on LD_LIBRARY_PATH before Node starts.`] : []),
    ...(lacking.length > 0
      ? [
          `Install the ${version} libraries that are named${isOther ? ', beside the others' : ''}, and put their folder on ` +
            `LD_LIBRARY_PATH before Node starts${isOther ? '; or take the provider for the CUDA that is here' : ''}.`,
        ]
      : []),
  ];
  return {
    what: 'CUDA libraries',
    ok: missing.length === 0,
    found: !ldd.includes('=>')
      ? `could not be checked: ${ldd.trim()}`
      : missing.length === 0
        ? 'all found'
        : `${missing.join(', ')} not found${wrongMajor}`,
    fix: steps.join(' '),
  };
}

/** Answers of `cuInit` that say something of the machine (cuda.h, CUresult): what they mean, and what to do. */
const INIT_FAILURES: Readonly<Record<number, readonly [meaning: string, fix: string]>> = {
  100: ['it finds no GPU', 'Look at nvidia-smi; in a container, start it with `--gpus all` (NVIDIA Container Toolkit).'],
  802: [
    'the system is not ready',
    'Start the NVIDIA Fabric Manager of the same version as the driver (GPUs that NVSwitch connects need it).',
  ],
  803: [
    'kernel module and libcuda.so.1 are of different versions',
    'Reboot after a driver was upgraded; in a container, mount the library of the host.',
  ],
  804: [
    'this GPU does not take CUDA compatibility libraries',
    'Take their folder (cuda-*/compat) off LD_LIBRARY_PATH, or install a newer driver.',
  ],
  999: ['it cannot say why', 'Load the kernel module nvidia_uvm (`nvidia-modprobe -u`), and look at dmesg.'],
};

function judgeDriver(
  { deviceNodes, kernelModule, driver }: CudaFacts,
  cudaMajor: string | undefined,
): { readonly ok: boolean; readonly found: string; readonly fix: string } {
  const moduleVersion = /NVRM version:.*?(\d+\.\d+(?:\.\d+)?)/.exec(kernelModule ?? '')?.[1];
  const least = LEAST_DRIVER[cudaMajor ?? ''];
  const install = `Install an NVIDIA driver${least === undefined ? '' : ` of version ${least} or later, as CUDA ${cudaMajor} needs`}`;
  const node = deviceNodes.length === 0 ? ['no /dev/nvidia0'] : [];
  if (!driver.isLoaded) {
    if (kernelModule === undefined && deviceNodes.length === 0) {
      const found = `none: ${[...node, 'no /proc/driver/nvidia/version', driver.reason].join(', ')}`;
      return { ok: false, found, fix: `${install}; in a container, start it with \`--gpus all\` (NVIDIA Container Toolkit).` };
    }
    return {
      ok: false,
      found: `${moduleVersion ?? 'its device'} is here, but ${[...node, driver.reason].join(', ')}`,
      fix:
        'That library comes with the driver: put its folder on LD_LIBRARY_PATH; in a container, start it with `--gpus all` and ' +
        'NVIDIA_DRIVER_CAPABILITIES=compute,utility.',
    };
  }
  const { init, cudaVersion, gpus } = driver;
  const served = `${Math.floor(cudaVersion / 1000)}.${Math.floor((cudaVersion % 1000) / 10)}`;
  const name = `${moduleVersion ?? 'version unknown'}, for CUDA ${served}`;
  if (cudaMajor !== undefined && cudaVersion > 0 && Math.floor(cudaVersion / 1000) < Number(cudaMajor)) {
    return {
      ok: false,
      found: `${name}, which is older than CUDA ${cudaMajor}`,
      fix: `${install}, or take the provider for an older CUDA.`,
    };
  }
  if (init !== 0 || gpus.length === 0) {
    const [meaning, fix] = INIT_FAILURES[init === 0 ? 100 : init] ?? ['', 'Look at nvidia-smi and dmesg.'];
    return { ok: false, found: `${[name, ...node].join(', ')}: ${meaning}${init === 0 ? '' : ` (cuInit ${init})`}`, fix };
  }
  return { ok: true, found: `${name}: ${gpus.join(', ')}`, fix: '' };
}
