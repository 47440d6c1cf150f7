import { expect, test } from '@jest/globals';
import { diagnoseDevice, openTrainer } from './index.ts';
import { type CudaFacts, explainCudaFailure, judgeCuda } from './judgeCuda.ts';
import { TOY_IMAGE_SHAPE, TOY_PATCHES, toyLayout, toyTrainingModel } from './testing/toyModel.ts';

const ready: CudaFacts = {
  platform: 'linux/x64',
  folder: '/app/bin',
  missingFiles: [],
  ldd: '\tlibcudart.so.13 => /usr/local/cuda/lib64/libcudart.so.13 (0x00007f)\n\tlibcuda.so.1 => /usr/lib/libcuda.so.1 (0x00007f)\n',
  deviceNodes: ['nvidia0'],
  driver: 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27\nGCC version: 12',
};

/** What is wrong with the ready machine after `change`. */
const wrong = (change: Partial<CudaFacts>) => judgeCuda({ ...ready, ...change }).filter(({ ok }) => !ok);

test('a machine with provider, libraries, device and driver is ready', () => {
  expect(wrong({})).toEqual([]);
});

test('missing provider files are named with both ways to get them', () => {
  const { ldd: _, ...withoutLdd } = ready;
  const findings = judgeCuda({ ...withoutLdd, missingFiles: ['libonnxruntime_providers_cuda.so'] });
  const [finding] = findings.filter(({ ok }) => !ok);
  expect(findings.map(({ what }) => what)).not.toContain('CUDA libraries');
  expect(finding).toMatchObject({
    what: 'CUDA provider of ONNX Runtime',
    found: 'libonnxruntime_providers_cuda.so missing in /app/bin',
    fix: expect.stringMatching(/ONNXRUNTIME_NODE_INSTALL=cuda12.*linux-x64-gpu@0\.4\.9/),
  });
});

test('libraries that the loader does not find are named', () => {
  const ldd = `${ready.ldd}\tlibcublasLt.so.13 => not found\n\tlibcurand.so.10 => not found\n\tlibcublasLt.so.13 => not found\n`;
  expect(wrong({ ldd })).toEqual([
    expect.objectContaining({
      what: 'CUDA libraries',
      found: 'libcublasLt.so.13, libcurand.so.10 not found',
      fix: expect.stringContaining('LD_LIBRARY_PATH'),
    }),
  ]);
});

test('a machine without a device node or driver, and a driver that is too old, are told what to install', () => {
  expect(wrong({ deviceNodes: [], driver: undefined }).map(({ found }) => found)).toEqual([
    'no /dev/nvidia0',
    'no /proc/driver/nvidia/version',
  ]);
  const old = 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19';
  expect(wrong({ driver: old })).toEqual([
    expect.objectContaining({ what: 'NVIDIA driver', fix: 'Install an NVIDIA driver of version 580 or later, as CUDA 13 needs.' }),
  ]);
  const openModule = 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  Release Build';
  expect(wrong({ driver: openModule })).toEqual([]);
});

test('other platforms are told that only linux/x64 has CUDA', () => {
  expect(wrong({ platform: 'darwin/arm64' })).toEqual([
    expect.objectContaining({ what: 'platform', fix: expect.stringContaining('use device cpu') }),
  ]);
});

test('error numbers of CUDA are put into words, and the words of ONNX Runtime stay', () => {
  const message = 'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=0';
  expect(explainCudaFailure(message)).toBe(`the NVIDIA driver is missing, or older than the CUDA libraries need (${message})`);
  expect(explainCudaFailure('CUDA failure 101: invalid device ordinal')).toContain('set MAESTRO_CUDA_DEVICE');
  expect(explainCudaFailure('something else')).toBe('something else');
});

test('the cpu needs nothing', async () => {
  expect(await diagnoseDevice('cpu')).toEqual({ ok: true, findings: [] });
});

test('opening a trainer on cuda works where the diagnosis says so, else fails at once with what is missing', async () => {
  const layout = toyLayout();
  const { ok, findings } = await diagnoseDevice('cuda');
  const opening = openTrainer({
    trainingModel: toyTrainingModel(layout),
    layout,
    imageShape: TOY_IMAGE_SHAPE,
    patches: TOY_PATCHES,
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
