import { expect, test } from '@jest/globals';
import { diagnoseDevice, openTrainer } from '../index.ts';
import { TOY_INPUTS, toyLayout, toyTrainingModel } from '../testing/toyModel.ts';
import { explainCudaFailure } from './cudaFailures.ts';
import { cudaBuild } from './device.ts';
import { type CudaFacts, judgeCuda } from './judgeCuda.ts';

const ready: CudaFacts = {
  platform: 'linux/x64',
  folder: '/app/bin',
  missingFiles: [],
  ldd: '\tlibcudart.so.13 => /usr/local/cuda/lib64/libcudart.so.13 (0x00007f)\n\tlibcuda.so.1 => /usr/lib/libcuda.so.1 (0x00007f)\n',
  cudaLibraries: ['/usr/local/cuda/lib64/libcudart.so.13'],
  deviceNodes: ['nvidia0'],
  kernelModule: 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27\nGCC version: 12',
  driver: { isLoaded: true, init: 0, cudaVersion: 13000, gpus: ['NVIDIA H200'] },
};
const NO_LIBRARY = { isLoaded: false, reason: 'libcuda.so.1 not found' } as const;

/** What is wrong with the ready machine after `change`. */
const wrong = (change: Partial<CudaFacts>) => judgeCuda({ ...ready, ...change }).filter(({ ok }) => !ok);

test('a machine with provider, libraries, driver and GPU is ready, and told which GPU', () => {
  expect(wrong({})).toEqual([]);
  expect(judgeCuda(ready).at(-1)).toMatchObject({ what: 'NVIDIA driver', found: '580.65.06, for CUDA 13.0: NVIDIA H200' });
});

test('missing and damaged provider files are named with both ways to get them', () => {
  const { ldd: _, ...withoutLdd } = ready;
  const findings = judgeCuda({ ...withoutLdd, missingFiles: ['libonnxruntime_providers_cuda.so'] });
  expect(findings.map(({ what }) => what)).not.toContain('CUDA libraries');
  const fix = expect.stringMatching(/ONNXRUNTIME_NODE_INSTALL=cuda12.*linux-x64-gpu@0\.4\.9/);
  const what = 'CUDA provider of ONNX Runtime';
  const found = 'libonnxruntime_providers_cuda.so missing in /app/bin';
  expect(findings.filter(({ ok }) => !ok)).toEqual([{ what, ok: false, found, fix }]);
  expect(wrong({ ldd: 'Command failed: ldd\n\tnot a dynamic executable' })).toEqual([
    { what, ok: false, found: 'in /app/bin, but damaged', fix },
  ]);
});

test('libraries that the loader does not find are named once', () => {
  const ldd = `${ready.ldd}\tlibcublasLt.so.13 => not found\n\tlibcurand.so.10 => not found\n\tlibcublasLt.so.13 => not found\n`;
  expect(wrong({ ldd })).toEqual([
    {
      what: 'CUDA libraries',
      ok: false,
      found: 'libcublasLt.so.13, libcurand.so.10 not found',
      fix: 'Install the CUDA 13 libraries that are named, and put their folder on LD_LIBRARY_PATH before Node starts.',
    },
  ]);
});

test('where CUDA is of another major version, that is said', () => {
  const ldd = '\tlibcudart.so.13 => not found\n\tlibcublas.so.13 => not found\n\tlibcuda.so.1 => /usr/lib/libcuda.so.1 (0x00007f)\n';
  expect(wrong({ ldd, cudaLibraries: ['/opt/cuda/libcudart.so.12', '/opt/cuda/libcublas.so.12'] })).toEqual([
    expect.objectContaining({
      what: 'CUDA libraries',
      found: 'libcudart.so.13, libcublas.so.13 not found; what is here is CUDA of another version (/opt/cuda/libcudart.so.12)',
      fix: expect.stringMatching(
        /^Install the CUDA 13 libraries that are named, beside the others, .*or take the provider for the CUDA that is here\.$/,
      ),
    }),
  ]);
});

test('libraries that are there but not on the path of the loader are told by their folder', () => {
  const ldd = '\tlibcudart.so.13 => not found\n\tlibcublas.so.13 => not found\n';
  const cudaLibraries = ['/usr/local/cuda-13/lib64/libcudart.so.13', '/usr/local/cuda-13/lib64/libcublas.so.13'];
  expect(wrong({ ldd, cudaLibraries })).toEqual([
    expect.objectContaining({ fix: 'Put /usr/local/cuda-13/lib64 on LD_LIBRARY_PATH before Node starts.' }),
  ]);
});

test('a missing driver is one finding, whatever of it is missing', () => {
  const ldd = `${ready.ldd!.split('\n')[0]}\n\tlibcuda.so.1 => not found\n`;
  expect(wrong({ ldd, deviceNodes: [], kernelModule: undefined, driver: NO_LIBRARY })).toEqual([
    {
      what: 'NVIDIA driver',
      ok: false,
      found: 'none: no /dev/nvidia0, no /proc/driver/nvidia/version, libcuda.so.1 not found',
      fix:
        'Install an NVIDIA driver of version 580 or later, as CUDA 13 needs; in a container, start it with `--gpus all` (NVIDIA ' +
        'Container Toolkit).',
    },
  ]);
  expect(wrong({ driver: NO_LIBRARY })).toEqual([
    expect.objectContaining({ found: '580.65.06 is here, but libcuda.so.1 not found', fix: expect.stringContaining('compute,utility') }),
  ]);
});

test('a driver that is too old, finds no GPU or does not start is told apart', () => {
  const answer = { isLoaded: true, init: 0, cudaVersion: 12020, gpus: ['NVIDIA A100'] } as const;
  const kernelModule = 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  Release Build';
  expect(wrong({ kernelModule, driver: answer })).toEqual([
    {
      what: 'NVIDIA driver',
      ok: false,
      found: '535.104.05, for CUDA 12.2, which is older than CUDA 13',
      fix: 'Install an NVIDIA driver of version 580 or later, as CUDA 13 needs, or take the provider for an older CUDA.',
    },
  ]);
  const found = (init: number, change: Partial<CudaFacts> = {}) =>
    wrong({ ...change, driver: { isLoaded: true, init, cudaVersion: 13000, gpus: [] } }).map((finding) => finding.found);
  expect(found(100, { deviceNodes: [] })).toEqual(['580.65.06, for CUDA 13.0, no /dev/nvidia0: it finds no GPU (cuInit 100)']);
  expect(found(0)).toEqual(['580.65.06, for CUDA 13.0: it finds no GPU']);
  expect(found(802)).toEqual(['580.65.06, for CUDA 13.0: the system is not ready (cuInit 802)']);
  expect(found(803)).toEqual(['580.65.06, for CUDA 13.0: kernel module and libcuda.so.1 are of different versions (cuInit 803)']);
});

test('cuDNN is no need, but its version is told, and decides bits with the GPU and cuBLAS', () => {
  const told = (facts: CudaFacts) => judgeCuda(facts).find(({ what }) => what === 'cuDNN');
  expect(told(ready)).toMatchObject({ ok: true, found: 'none; it is optional' });
  expect(told({ ...ready, cudnn: 91301 })).toMatchObject({ ok: true, found: 'version 91301' });
  expect(cudaBuild({ ...ready, cublas: 130200 }, 0)).toEqual({ gpu: 'NVIDIA H200', cublas: '130200', cudnn: 'none' });
  expect(explainCudaFailure('ReduceSum: cuDNN is not available. Install cuDNN')).toMatch(/^a kernel needs cuDNN: install cuDNN 9/);
});

test('other platforms are told that only linux/x64 has CUDA, and nothing else', () => {
  expect(judgeCuda({ ...ready, platform: 'darwin/arm64' })).toEqual([
    expect.objectContaining({ what: 'platform', ok: false, fix: expect.stringContaining('use device cpu') }),
  ]);
});

test('error numbers of CUDA are put into words, and the words of ONNX Runtime stay', () => {
  const message = 'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=0';
  expect(explainCudaFailure(message)).toBe(`the NVIDIA driver is missing, or older than the CUDA libraries need (${message})`);
  expect(explainCudaFailure('CUDA failure 101: invalid device ordinal')).toContain('set MAESTRO_CUDA_DEVICE');
  expect(explainCudaFailure('something else')).toBe('something else');
});

test('the cpu needs nothing', async () => {
  expect(await diagnoseDevice('cpu')).toMatchObject({ ok: true, findings: [] });
});

test('opening a trainer on cuda works where the diagnosis says so, else fails at once with what is missing', async () => {
  const layout = toyLayout();
  const { ok, findings } = await diagnoseDevice('cuda');
  const opening = openTrainer({
    trainingModel: toyTrainingModel(layout),
    layout,
    inputs: TOY_INPUTS,
    microBatch: 1,
    maxPartials: 1,
    treeDepth: 0,
    device: 'cuda',
  });
  if (ok) await (await opening).close();
  else {
    await expect(opening).rejects.toMatchObject({
      code: 'device-unavailable',
      message: expect.stringContaining('openTrainer: device cuda cannot be used here.'),
      details: { findings },
    });
  }
});
