import type { CudaOptions, SessionOptions } from '../session.ts';
import type { OrtApi, Pointer } from './ortApi.ts';

/** How a session gets its device. */
export interface OrtProvider {
  append(api: OrtApi, settings: Pointer): void;
  /** The allocator's name for tensors that stay on the device. */
  readonly memory: string;
  readonly deviceId: number;
}

/** The execution provider of a device; none for the CPU, which is always there. */
export function providerOf({ device, cuda = {} }: SessionOptions): OrtProvider | undefined {
  if (device === 'webgpu') return { append: appendWebGpu, memory: 'WebGPU_Buf', deviceId: 0 };
  if (device === 'cuda')
    return { append: (api, settings) => appendCuda(api, settings, cuda), memory: 'Cuda', deviceId: cuda.deviceId ?? 0 };
  return undefined;
}

/** The device outlives its sessions, and with it the shaders that were compiled: a worker's second job begins at once. */
function appendWebGpu(api: OrtApi, settings: Pointer): void {
  api.call('AppendProvider', settings, 'WebGPU', ['preserveDevice'], ['1'], 1);
}

function appendCuda(api: OrtApi, settings: Pointer, cuda: CudaOptions): void {
  const entries = Object.entries(cudaProviderOptions(cuda));
  const options = api.get('CreateCudaOptions');
  try {
    api.call(
      'UpdateCudaOptions',
      options,
      entries.map(([key]) => key),
      entries.map(([, value]) => value),
      entries.length,
    );
    api.call('AppendCuda', settings, options);
  } finally {
    api.release('CudaOptions', options);
  }
  if (cuda.deterministic !== false) api.call('SetDeterministicCompute', settings, true);
}

/** The CUDA provider's own options, as text; those left out keep its defaults but TF32, which is off so that float32 means float32. */
function cudaProviderOptions({ deviceId = 0, memoryLimitBytes, tf32 = false }: CudaOptions): Record<string, string> {
  return {
    device_id: String(deviceId),
    use_tf32: tf32 ? '1' : '0',
    arena_extend_strategy: 'kSameAsRequested',
    ...(memoryLimitBytes !== undefined && { gpu_mem_limit: String(memoryLimitBytes) }),
  };
}

/** The allocator of the device's memory for tensors that outlive a run. */
export function deviceMemory(
  api: OrtApi,
  session: Pointer,
  options: SessionOptions,
): { readonly info: Pointer; readonly allocator: Pointer } {
  const { memory, deviceId } = providerOf(options) ?? { memory: 'Cpu', deviceId: 0 };
  const info = api.get('CreateMemoryInfo', memory, 0, deviceId, 0);
  return { info, allocator: api.get('CreateAllocator', session, info) };
}
