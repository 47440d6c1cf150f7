import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { judgeWebGpu, type WebGpuFacts } from './judgeWebGpu.ts';
import { probeWebGpu } from './probeWebGpu.ts';

const TIMEOUT_MS = 60_000;
const NO_ADAPTER = 'webgpu_context.cc:100 ... Failed to get a WebGPU adapter: No supported adapters';
const onLinux = process.platform === 'linux' && process.arch === 'x64' ? test : test.skip;

const wrong = (failure?: string, drivers?: WebGpuFacts['drivers']) =>
  judgeWebGpu({
    platform: 'linux/x64',
    isBundled: true,
    ...(failure !== undefined && { failure }),
    ...(drivers !== undefined && { drivers }),
  }).filter(({ ok }) => !ok);

test('a machine where a session opens is ready', () => {
  expect(wrong()).toEqual([]);
});

test('a missing loader, missing and refused drivers and a provider that is not bundled are told apart', () => {
  const loader = `Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file\n${NO_ADAPTER}`;
  expect(wrong(loader, { found: [], missing: [] })).toEqual([
    expect.objectContaining({ found: 'libvulkan.so.1 cannot be loaded', fix: expect.stringContaining('libvulkan1') }),
  ]);
  expect(wrong(NO_ADAPTER, { found: [], missing: [] })).toEqual([
    expect.objectContaining({
      found: 'no supported adapter, as no Vulkan driver is installed',
      fix: expect.stringContaining('mesa-vulkan-drivers'),
    }),
  ]);
  expect(wrong(NO_ADAPTER, { found: [], missing: ['/a.json'] })).toEqual([
    expect.objectContaining({ found: 'VK_DRIVER_FILES names /a.json, which is not there' }),
  ]);
  expect(wrong(NO_ADAPTER, { found: ['/icd.d/lvp.json'], missing: [] })).toEqual([
    expect.objectContaining({
      found: 'no supported adapter by the Vulkan drivers that are here (/icd.d/lvp.json)',
      fix: expect.stringContaining('llvmpipe are refused'),
    }),
  ]);
  expect(wrong(NO_ADAPTER)).toEqual([expect.objectContaining({ fix: 'Update the driver of the GPU.' })]);
  expect(wrong('the device was lost')).toEqual([expect.objectContaining({ found: 'the device was lost' })]);
  expect(judgeWebGpu({ platform: 'linux/arm', isBundled: false })).toEqual([
    expect.objectContaining({ ok: false, found: 'not bundled for linux/arm', fix: expect.stringContaining('use device cpu') }),
  ]);
});

onLinux(
  'on a machine whose Vulkan loader is broken, or that has none, the loader is what is missing',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'maestro-vulkan-'));
    try {
      await writeFile(join(dir, 'libvulkan.so.1'), '');
      const facts = await probeWebGpu({ ...process.env, NODE_OPTIONS: '', LD_LIBRARY_PATH: dir });
      expect(judgeWebGpu(facts).filter(({ ok }) => !ok)).toEqual([expect.objectContaining({ found: 'libvulkan.so.1 cannot be loaded' })]);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  },
  TIMEOUT_MS,
);
