import type { DeviceFinding } from './judgeCuda.ts';

/** What was looked at, and found, on the way to WebGPU. */
export interface WebGpuFacts {
  /** Such as `linux/x64`. */
  readonly platform: string;
  /** Whether this build of onnxruntime-node has the provider. */
  readonly isBundled: boolean;
  /** What went wrong when a session was opened, with what was written to standard error; absent when it opened. */
  readonly failure?: string;
  /** After a failure on Linux: the files that describe Vulkan drivers, and those that VK_DRIVER_FILES names but that are not there. */
  readonly drivers?: { readonly found: readonly string[]; readonly missing: readonly string[] };
}

/** What the facts mean for ONNX Runtime on WebGPU, in the order in which to put things right. */
export function judgeWebGpu({ platform, isBundled, failure, drivers }: WebGpuFacts): DeviceFinding[] {
  const findings = [
    {
      what: 'WebGPU provider of ONNX Runtime',
      ok: isBundled,
      found: isBundled ? 'bundled' : `not bundled for ${platform}`,
      fix: 'onnxruntime-node has no WebGPU for this platform; use device cpu.',
    },
    ...(isBundled ? [{ what: 'GPU adapter', ok: failure === undefined, ...explain(failure, drivers) }] : []),
  ];
  return findings.map((finding) => (finding.ok ? { ...finding, fix: '' } : finding));
}

const INSTALL =
  "Install the GPU's Vulkan driver (Debian: mesa-vulkan-drivers, or that of NVIDIA); VK_DRIVER_FILES names one that is elsewhere.";

function explain(failure: string | undefined, drivers: WebGpuFacts['drivers']): { readonly found: string; readonly fix: string } {
  if (failure === undefined) return { found: 'found', fix: '' };
  if (failure.includes("Couldn't load Vulkan")) {
    return {
      found: 'libvulkan.so.1 cannot be loaded',
      fix: 'Install the Vulkan loader (Debian: libvulkan1) and a Vulkan driver of the GPU.',
    };
  }
  if (/No supported adapters|WebGPU adapter/.test(failure)) {
    if (drivers === undefined) return { found: 'no supported adapter', fix: 'Update the driver of the GPU.' };
    const { found, missing } = drivers;
    if (missing.length > 0) {
      const fix = 'Name the file of a driver that is installed, or unset the variable to have the loader search.';
      return { found: `VK_DRIVER_FILES names ${missing.join(', ')}, which is not there`, fix };
    }
    return found.length === 0
      ? { found: 'no supported adapter, as no Vulkan driver is installed', fix: INSTALL }
      : {
          found: `no supported adapter by the Vulkan drivers that are here (${found.join(', ')})`,
          fix:
            `${INSTALL} Drivers in software such as Mesa's llvmpipe are refused; in a container, pass the GPU in (--device ` +
            '/dev/dri, or --gpus all with NVIDIA_DRIVER_CAPABILITIES=all).',
        };
  }
  return { found: failure.trim().split('\n').at(-1) ?? failure, fix: 'See what the driver says; use device cpu until then.' };
}
