import type { DeviceFinding } from './judgeCuda.ts';

/** What was looked at, and found, on the way to WebGPU. */
export interface WebGpuFacts {
  /** Such as `linux/x64`. */
  readonly platform: string;
  /** Whether this build of onnxruntime-node has the provider. */
  readonly isBundled: boolean;
  /** What went wrong when a session was opened, with what was written to standard error; absent when it opened. */
  readonly failure?: string;
}

/** What the facts mean for ONNX Runtime on WebGPU, in the order in which to put things right. */
export function judgeWebGpu({ platform, isBundled, failure }: WebGpuFacts): DeviceFinding[] {
  const findings = [
    {
      what: 'WebGPU provider of ONNX Runtime',
      ok: isBundled,
      found: isBundled ? 'bundled' : `not bundled for ${platform}`,
      fix: 'onnxruntime-node has no WebGPU for this platform; use device cpu.',
    },
    ...(isBundled ? [{ what: 'GPU adapter', ok: failure === undefined, ...explain(failure, platform) }] : []),
  ];
  return findings.map((finding) => (finding.ok ? { ...finding, fix: '' } : finding));
}

function explain(failure: string | undefined, platform: string): { readonly found: string; readonly fix: string } {
  if (failure === undefined) return { found: 'found', fix: '' };
  if (failure.includes("Couldn't load Vulkan")) {
    return {
      found: 'libvulkan.so.1 cannot be loaded',
      fix: 'Install the Vulkan loader (Debian: libvulkan1) and a Vulkan driver of the GPU.',
    };
  }
  if (/No supported adapters|WebGPU adapter/.test(failure)) {
    const fix = platform.startsWith('linux')
      ? 'Install a Vulkan driver of the GPU (Debian: mesa-vulkan-drivers, or that of NVIDIA); VK_DRIVER_FILES names a driver that is elsewhere. Mesa llvmpipe is refused.'
      : 'Update the driver of the GPU.';
    return { found: 'no supported adapter', fix };
  }
  return { found: failure.trim().split('\n').at(-1) ?? failure, fix: 'See what the driver says; use device cpu until then.' };
}
