import { expect, test } from '@jest/globals';
import { computeIdentity, readComputeSettings } from './computeSettings.ts';

test('a worker computes on one thread of a cpu, and CUDA exactly, unless it is told otherwise', () => {
  const cuda = { deviceId: 0, tf32: false, deterministic: true };
  expect(readComputeSettings({})).toEqual({ device: 'cpu', engine: 'auto', threads: 1, cuda });
  expect(
    readComputeSettings({
      MAESTRO_DEVICE: 'cuda',
      MAESTRO_ENGINE: 'capi',
      MAESTRO_RESIDENT: 'off',
      MAESTRO_THREADS: '2',
      MAESTRO_CUDA_DEVICE: '3',
      MAESTRO_CUDA_MEMORY_BYTES: '8000000000',
      MAESTRO_CUDA_TF32: 'on',
      MAESTRO_CUDA_DETERMINISTIC: 'off',
    }),
  ).toEqual({
    device: 'cuda',
    engine: 'capi',
    isResident: false,
    threads: 2,
    cuda: { deviceId: 3, memoryLimitBytes: 8e9, tf32: true, deterministic: false },
  });
});

test.each([
  [{ MAESTRO_DEVICE: 'tpu' }, 'MAESTRO_DEVICE: expected cpu, cuda, webgpu, found tpu'],
  [{ MAESTRO_ENGINE: 'web' }, 'MAESTRO_ENGINE: expected auto, node or capi, found web'],
  [{ MAESTRO_THREADS: '0' }, 'MAESTRO_THREADS: expected a whole number of at least 1, found 0'],
  [{ MAESTRO_CUDA_DEVICE: '-1' }, 'MAESTRO_CUDA_DEVICE: expected a whole number of at least 0, found -1'],
  [{ MAESTRO_RESIDENT: 'maybe' }, 'MAESTRO_RESIDENT: expected on or off, found maybe'],
  [{ MAESTRO_RESIDENT: 'on' }, 'MAESTRO_RESIDENT: only the capi engine keeps state on the device; set MAESTRO_ENGINE=capi'],
  [{ MAESTRO_CUDA_TF32: 'yes' }, 'MAESTRO_CUDA_TF32: expected on or off, found yes'],
])('%o is refused by its name', (env, message) => {
  expect(() => readComputeSettings(env)).toThrow(message);
});

test('on a cpu the engine is no part of the identity, elsewhere all that decides bits is', () => {
  const cuda = { gpu: 'NVIDIA H200', cublas: '130200', cudnn: 'none' };
  const of = (device: string) =>
    computeIdentity(readComputeSettings({ MAESTRO_DEVICE: device }), {
      engine: 'capi',
      isResident: true,
      deviceBuild: device === 'cuda' ? cuda : {},
    });
  expect(of('cpu')).toEqual({ device: 'cpu', threads: 1 });
  expect(of('webgpu')).toEqual({ device: 'webgpu', threads: 1, engine: 'capi', isResident: true });
  expect(of('cuda')).toEqual({ device: 'cuda', threads: 1, engine: 'capi', isResident: true, tf32: false, deterministic: true, ...cuda });
});
