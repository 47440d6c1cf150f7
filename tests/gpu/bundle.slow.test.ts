import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const TIMEOUT_MS = 400_000;
const MOST_BYTES = 55e6;
/** With NVIDIA's provider in the bundle, which npm fetches: 180 MB. */
const hasProvider = process.env['MAESTRO_BUNDLE_TESTS'] === '1';
const isFit = `${process.platform}/${process.arch}` === 'linux/x64';
const bundleTest = isFit ? test : test.skip;
const providerTest = isFit && hasProvider ? test : test.skip;
const name = (text: string, { needsProvider = false } = {}): string => {
  if (!isFit) return `${text} (needs linux/x64)`;
  return needsProvider && !hasProvider ? `${text} (npm run test:bundle)` : text;
};

let dir: string;
let bundle: string;

beforeAll(async () => {
  if (!isFit) return;
  dir = await mkdtemp(join(tmpdir(), 'maestro-bundle-'));
  bundle = join(dir, 'bundle');
  const script = fileURLToPath(new URL('../../../deploy/bundle/main.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script, '--out', bundle, ...providerOptions()], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}, TIMEOUT_MS);

afterAll(async () => {
  if (dir !== undefined) await rm(dir, { recursive: true, force: true });
});

/** MAESTRO_BUNDLE_PROVIDER, an archive, spares fetching it with npm. */
function providerOptions(): string[] {
  if (!hasProvider) return ['--no-provider'];
  const archive = process.env['MAESTRO_BUNDLE_PROVIDER'];
  return archive === undefined ? [] : ['--provider', archive];
}

/** Runs the check in another place, with nothing of this repository or its Node in sight; without any network where that is allowed. */
function check(folder: string, ...args: string[]) {
  const isolated = spawnSync('unshare', ['-n', 'true']).status === 0 ? ['unshare', '-n'] : [];
  const [command, ...rest] = [...isolated, 'sh', join(folder, 'gpu-check.sh'), ...args];
  const { status, stdout, stderr } = spawnSync(command!, rest, {
    encoding: 'utf8',
    cwd: '/',
    env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' },
  });
  return { status, stderr, report: stdout === '' ? undefined : JSON.parse(stdout) };
}

bundleTest(
  name('the bundle comes in pieces that are small enough, and passes on a CPU in another place'),
  async () => {
    const pieces = await readdir(join(bundle, 'pieces'));
    const sizes = await Promise.all(pieces.map(async (piece) => (await stat(join(bundle, 'pieces', piece))).size));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MOST_BYTES);
    const { status, stderr, report } = check(bundle, '--device', 'cpu', '--models', 'nano,tiny', '--only', 'gradients,repeatability,curve');
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('unpacking') });
    expect(report).toMatchObject({ passed: true, curve: { isLikeCpu: true }, repeatability: { distinct: 1 } });
    expect(report.gradients.results).toHaveLength(4);
  },
  TIMEOUT_MS,
);

providerTest(
  name('without an NVIDIA driver the check for cuda ends with one error that names the driver', { needsProvider: true }),
  () => {
    const { status, stderr, report } = check(bundle, '--device', 'cuda');
    if (report.passed === true) return;
    expect(status).toBe(3);
    expect(stderr).toMatch(
      /NVIDIA driver: none: no \/dev\/nvidia0, no \/proc\/driver\/nvidia\/version, libcuda\.so\.1 not found\. Install an NVIDIA driver of version 580 or later, as CUDA 13 needs;/,
    );
    expect(report).toMatchObject({ passed: false, code: 'device-unavailable' });
    expect(report.findings).toContainEqual(expect.objectContaining({ what: 'CUDA provider of ONNX Runtime', ok: true }));
  },
  TIMEOUT_MS,
);

bundleTest(
  name('a piece that is damaged on the way is noticed before anything runs'),
  async () => {
    const copy = join(dir, 'copy');
    await cp(bundle, copy, { recursive: true, filter: (path) => !path.includes('unpacked') });
    const file = await open(join(copy, 'pieces', 'maestro-gpu.tar.gz.01'), 'r+');
    await file.write(Uint8Array.of(0, 1, 2, 3), 0, 4, 1000);
    await file.close();
    const { status, stderr } = check(copy, '--device', 'cpu');
    expect(status).toBe(1);
    expect(stderr).toContain('a piece is damaged or missing');
  },
  TIMEOUT_MS,
);
