import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { messagesOf, openTestCluster } from '../support/cluster/testCluster.ts';
import { NO_SWIFTSHADER, SWIFTSHADER_ENV } from '../support/tools/swiftShader.ts';

const TIMEOUT_MS = 600_000;
const withGpu = (name: string, run: () => Promise<void> | void) =>
  SWIFTSHADER_ENV === undefined ? test.skip(`${name} (${NO_SWIFTSHADER})`, run, TIMEOUT_MS) : test(name, run, TIMEOUT_MS);

/** So small that a driver in software takes a fraction of a second a step. */
const NANO = { preset: 'mae_vit_tiny_patch4', imageSize: 16, channels: 1, embedDim: 16, depth: 1, numHeads: 2 };
const DECODER = { decoderEmbedDim: 8, decoderDepth: 1, decoderNumHeads: 2 };

/** Runs a program of ours where SwiftShader is the GPU, or where there is none. */
function run(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const program = fileURLToPath(new URL(`../../../${file}`, import.meta.url));
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '', ...env } });
}

withGpu('gradients on WebGPU are those of the CPU to 2.3e-6, by either engine', () => {
  const args = ['--device', 'webgpu', '--models', 'nano', '--only', 'gradients'];
  const { status, stdout, stderr } = run('tests/dist/gpu/main.js', args, SWIFTSHADER_ENV);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.any(String) });
  const { gradients } = JSON.parse(stdout);
  expect(gradients.results.map(({ engine }: { engine: string }) => engine)).toEqual(['capi', 'node']);
  for (const { lossError, sampleError, isSameBits } of gradients.results) {
    expect(Math.max(lossError, sampleError)).toBeLessThanOrEqual(2.3e-6);
    // It was another device indeed.
    expect(isSameBits).toBe(false);
  }
});

test(
  'where no driver is to be had, doctor says what is missing, and a check ends with that alone',
  () => {
    const nothing = { VK_DRIVER_FILES: '/nonexistent.json', VK_ICD_FILENAMES: '/nonexistent.json' };
    const doctor = run('services/cli/dist/main.js', ['doctor', '--device', 'webgpu', '--json'], nothing);
    expect(JSON.parse(doctor.stdout)).toContainEqual({
      name: 'WebGPU',
      ok: false,
      required: true,
      detail: expect.stringMatching(
        /^GPU adapter: (libvulkan\.so\.1 cannot be loaded|VK_DRIVER_FILES names \/nonexistent\.json, which is not there)\. \w+/,
      ),
    });
    expect(doctor.status).toBe(1);
    const check = run('tests/dist/gpu/main.js', ['--device', 'webgpu'], nothing);
    expect(JSON.parse(check.stdout)).toMatchObject({ passed: false, code: 'device-unavailable' });
    expect(check.status).toBe(3);
  },
  TIMEOUT_MS,
);

withGpu('a job trains on WebGPU workers, is exact among them, and takes workers of other devices only where it allows that', async () => {
  const shared = await openTestCluster({ name: 'webgpu', workers: 1 });
  const { cluster, client, path } = shared;
  try {
    for (let i = 0; i < 2; i++) await cluster.addWorker({ env: { ...SWIFTSHADER_ENV, MAESTRO_DEVICE: 'webgpu' } });
    const submit = (resources: object) =>
      client.submitJob({
        spec: {
          model: { ...NANO, ...DECODER },
          data: { format: 'idx', path },
          schedule: { steps: 4, microBatch: 4 },
          resources: { virtualRanks: 4, ...resources },
          checkpoint: { everySteps: 1000 },
        },
      });
    const alone = await shared.watch(await submit({ device: 'webgpu', maxWorkers: 1 }));
    const both = await shared.watch(await submit({ device: 'webgpu', minWorkers: 2, maxWorkers: 2 }));
    expect([alone, both].map(({ state, message }) => [state, message])).toEqual(Array(2).fill(['succeeded', 'finished after 4 steps']));
    expect(both.checkpoints.at(-1)!.hash).toBe(alone.checkpoints.at(-1)!.hash);

    const waiting = await submit({ device: 'webgpu', minWorkers: 3 });
    const refused = await shared.watch(waiting, ({ message }) => message.includes('connected'));
    expect(refused.message).toBe('waiting: needs 3 webgpu workers, 2 free; 2 are connected');
    await client.cancelJob(waiting.id);

    const mixed = await shared.watch(await submit({ device: 'webgpu', minWorkers: 3, allowMixedDevices: true }));
    expect([mixed.state, mixed.message, messagesOf(mixed)]).toEqual([
      'succeeded',
      'finished after 4 steps',
      expect.stringContaining('equal bits are not promised'),
    ]);
    expect(mixed.conditions).toContainEqual(expect.objectContaining({ type: 'Exact', status: false, reason: 'MixedDevices' }));
    expect(mixed.progress!.metrics['loss']!).toBeCloseTo(alone.progress!.metrics['loss']!, 4);
  } finally {
    await shared.stop();
  }
});
