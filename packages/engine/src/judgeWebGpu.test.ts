import { expect, test } from '@jest/globals';
import { judgeWebGpu } from './judgeWebGpu.ts';

const wrong = (failure?: string, platform = 'linux/x64') =>
  judgeWebGpu({ platform, isBundled: true, ...(failure !== undefined && { failure }) }).filter(({ ok }) => !ok);

test('a machine where a session opens is ready', () => {
  expect(wrong()).toEqual([]);
});

test('a missing loader, a missing driver and a provider that is not bundled are told apart', () => {
  const noAdapter = 'webgpu_context.cc:100 ... Failed to get a WebGPU adapter: No supported adapters';
  expect(wrong(`Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file\n${noAdapter}`)).toEqual([
    expect.objectContaining({ found: 'libvulkan.so.1 cannot be loaded', fix: expect.stringContaining('libvulkan1') }),
  ]);
  expect(wrong(noAdapter)).toEqual([
    expect.objectContaining({ found: 'no supported adapter', fix: expect.stringContaining('VK_DRIVER_FILES') }),
  ]);
  expect(wrong(noAdapter, 'win32/x64')).toEqual([expect.objectContaining({ fix: 'Update the driver of the GPU.' })]);
  expect(wrong('the device was lost')).toEqual([expect.objectContaining({ found: 'the device was lost' })]);
  expect(judgeWebGpu({ platform: 'linux/arm', isBundled: false })).toEqual([
    expect.objectContaining({ ok: false, found: 'not bundled for linux/arm', fix: expect.stringContaining('use device cpu') }),
  ]);
});
