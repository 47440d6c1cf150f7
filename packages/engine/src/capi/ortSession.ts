import type { SessionOptions } from '../session.ts';
import { IoBinding } from './ioBinding.ts';
import type { NativeView, OrtApi, Pointer } from './ortApi.ts';
import type { OrtPort } from './ortPort.ts';
import { allocate, type OrtValue } from './ortValue.ts';
import { deviceMemory, providerOf } from './providers.ts';

/** An opened graph. */
export interface OrtSession {
  readonly inputMetadata: readonly OrtPort[];
  readonly outputMetadata: readonly OrtPort[];
  readonly outputNames: readonly string[];
  /** Where the graph's inputs and outputs are bound to tensors, for many runs. */
  bind(): IoBinding;
  /** A float32 tensor where the session computes. Undefined content. */
  allocate(dims: readonly number[]): OrtValue;
  /** Frees the session and the tensors that it allocated; bindings must be closed before. */
  close(): void;
}

/**
 * Opens a session with what `openSession` sets for onnxruntime-node, so that both give the same bits.
 *
 * @throws Error of ONNX Runtime when it refuses the model or the device.
 */
export function openOrtSession(api: OrtApi, model: Uint8Array | string, options: SessionOptions): OrtSession {
  const { threads, device } = options;
  const settings = api.get('CreateSessionOptions');
  let session: Pointer;
  try {
    api.call('SetIntraOpNumThreads', settings, threads);
    api.call('SetInterOpNumThreads', settings, 1);
    api.call('DisableMemPattern', settings);
    api.call('SetSessionGraphOptimizationLevel', settings, 99);
    api.call('SetSessionLogSeverityLevel', settings, 3);
    api.call('AddSessionConfigEntry', settings, 'session.intra_op.allow_spinning', '0');
    providerOf(options)?.append(api, settings);
    if (options.operators !== undefined) api.call('RegisterCustomOpsLibrary', settings, options.operators);
    session =
      typeof model === 'string'
        ? api.get('CreateSession', api.env, model, settings)
        : api.get('CreateSessionFromArray', api.env, model as NativeView, model.byteLength, settings);
  } finally {
    api.release('SessionOptions', settings);
  }
  const inputMetadata = ports(api, session, 'Input');
  const outputMetadata = ports(api, session, 'Output');
  const allocated: OrtValue[] = [];
  let memory: { readonly info: Pointer; readonly allocator: Pointer } | undefined;
  return {
    inputMetadata,
    outputMetadata,
    outputNames: outputMetadata.map(({ name }) => name),
    bind: () => new IoBinding(api, session, { inputs: inputMetadata, outputs: outputMetadata, isDevice: device !== 'cpu' }),
    allocate(dims) {
      memory ??= deviceMemory(api, session, options);
      const value = allocate(api, memory.allocator, dims);
      allocated.push(value);
      return value;
    },
    close() {
      for (const { pointer } of allocated.splice(0)) api.release('Value', pointer);
      if (memory !== undefined) {
        api.release('Allocator', memory.allocator);
        api.release('MemoryInfo', memory.info);
      }
      api.release('Session', session);
    },
  };
}

function ports(api: OrtApi, session: Pointer, kind: 'Input' | 'Output'): OrtPort[] {
  const allocator = api.get('GetAllocatorWithDefaultOptions');
  const count = Number(api.get(`SessionGet${kind}Count`, session));
  return Array.from({ length: count }, (_, i) => {
    const text = api.get(`SessionGet${kind}Name`, session, i, allocator);
    const name = api.text(text);
    api.call('AllocatorFree', allocator, text);
    const type = api.get(`SessionGet${kind}TypeInfo`, session, i);
    try {
      const tensor = api.get('CastTypeInfoToTensorInfo', type);
      if (tensor === 0n) return { name, isTensor: false, element: 0, shape: [] };
      const element = Number(BigInt.asUintN(32, api.get('GetTensorElementType', tensor)));
      const dims = new BigInt64Array(Number(api.get('GetDimensionsCount', tensor)));
      if (dims.length > 0) api.call('GetDimensions', tensor, dims, dims.length);
      return { name, isTensor: true, element, shape: Array.from(dims, Number) };
    } finally {
      api.release('TypeInfo', type);
    }
  });
}
