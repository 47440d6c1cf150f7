import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { NATIVE_SOURCES } from './buildNative.ts';
import { findCompiler } from './compiler.ts';
import { JPEG } from './imageVectors.ts';
import { NATIVE_OPERATORS } from './operators.ts';
import { hashesOnEmulated, lacksEmulator } from './testing/bareMachine.ts';
import { buildDriver, request, runDriver } from './testing/driver.ts';
import { VECTOR_HASHES } from './vectorHashes.ts';

const folder = mkdtempSync(join(tmpdir(), 'maestro-driver-'));
afterAll(() => rmSync(folder, { recursive: true }));

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
const compiler = findCompiler();
const CROSS = 'aarch64-linux-gnu-gcc';
const EMULATOR = 'qemu-aarch64';

const x64Sets = {
  avx2: ['-mavx2', '-mfma'],
  avx512: ['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mfma'],
  amx: ['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mfma', '-mamx-tile', '-mamx-bf16', '-DNATIVE_AMX'],
};

const onX64 = typeof compiler !== 'string' && process.arch === 'x64' ? test : test.skip;
const onBare = typeof compiler !== 'string' && process.arch === 'x64' && lacksEmulator() === undefined ? test : test.skip;
const onCross = has(CROSS) && has(EMULATOR) ? test : test.skip;

onX64(
  'nothing is read or written out of bounds, and nothing is undefined',
  async () => {
    const flags = ['-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    const program = await buildDriver(folder, { compiler: (compiler as { path: string }).path, flags, sets: x64Sets });
    const shapes = [
      undefined,
      { R: 1, K: 1, N: 1, batch: 1, tokens: 1, heads: 1, from: 0, head: 1 },
      { R: 97, K: 33, N: 25, batch: 2, tokens: 33, heads: 2, from: 32, head: 9 },
      { R: 399, K: 257, N: 24, batch: 1, tokens: 65, heads: 1, from: 1, head: 64 },
    ];
    for (const operator of NATIVE_OPERATORS) {
      const requests = shapes.map((shape) => request(operator, shape));
      await runDriver([program], Buffer.concat(requests), { ASAN_OPTIONS: 'detect_leaks=0' });
      expect(await runDriver([program], requests[0]!, { ASAN_OPTIONS: 'detect_leaks=0' })).toBe(VECTOR_HASHES[operator.name]);
    }
  },
  900_000,
);

onX64(
  'a damaged JPEG file makes no decoder read or write out of bounds',
  async () => {
    const file = join(folder, 'image.jpg');
    writeFileSync(file, Buffer.from(JPEG, 'base64'));
    for (const own of [['-mavx2', '-mfma'], []]) {
      const program = join(folder, `images${own.length}`);
      const flags = ['-std=gnu11', '-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', ...own];
      const source = join(NATIVE_SOURCES, 'test', 'images.c');
      const built = spawnSync((compiler as { path: string }).path, [...flags, source, '-o', program], { encoding: 'utf8' });
      expect(built.stderr).toBe('');
      const { stdout, stderr } = spawnSync(program, [file, '20000'], { encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(Number(stdout)).toBeGreaterThan(2000);
    }
  },
  900_000,
);

// Needs Debian's gcc-aarch64-linux-gnu and qemu-user.
onCross(
  'NEON gives the same bits, on an emulated processor',
  async () => {
    const program = await buildDriver(folder, { compiler: CROSS, flags: ['-O2', '-static'], sets: { neon: [] } });
    const found: Record<string, string> = {};
    for (const operator of NATIVE_OPERATORS) found[operator.name] = await runDriver([EMULATOR, program], request(operator));
    expect(found).toEqual(VECTOR_HASHES);
  },
  900_000,
);

// Needs Bochs 3.0 or later with AVX-512 and AMX, and Debian's isolinux, syslinux-common and xorriso.
onBare(
  'AVX2, AVX-512 and AMX give the same bits, on an emulated processor',
  async () => {
    const found = await hashesOnEmulated(folder, { compiler: (compiler as { path: string }).path, sets: x64Sets });
    expect(found).toEqual({ avx2: VECTOR_HASHES, avx512: VECTOR_HASHES, amx: VECTOR_HASHES });
  },
  900_000,
);
