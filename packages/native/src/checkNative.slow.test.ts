import { mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { buildNative, findNative, type NativeBuild } from './buildNative.ts';
import { checkNative, chooseSound } from './checkNative.ts';
import { findCompiler } from './compiler.ts';
import { NATIVE_OPERATORS } from './operators.ts';

const folder = mkdtempSync(join(tmpdir(), 'maestro-check-'));
afterAll(() => rmSync(folder, { recursive: true }));
const home = join(folder, 'libraries');

const onX64 = typeof findCompiler() !== 'string' && process.arch === 'x64' && process.platform === 'linux' ? describe : describe.skip;

/** A library whose multiply-add on AVX2 is something else. */
async function buildFaulty(name: string, multiplyAdd: string): Promise<NativeBuild & { path: string }> {
  const header = join(folder, `${name}.h`);
  writeFileSync(header, `#ifdef __AVX2__\n#include <immintrin.h>\n#define _mm256_fmadd_ps(a, b, c) (${multiplyAdd})\n#endif\n`);
  const build = await buildNative({ home, flags: ['-O0', '-include', header] });
  if (build.path === undefined) throw new Error(build.reason);
  return build;
}

const check = ({ path, hash }: { path: string; hash: string }, isa = 'avx2') => checkNative({ path, hash, isa, isas: ['avx2'] });
const records = (path: string): string[] => readdirSync(dirname(path)).filter((name) => name.startsWith('checked-'));

onX64('the check of a library', () => {
  test('an instruction that the processor does not have ends the check, not this process; the outcome is kept', async () => {
    const build = await buildFaulty('crash', '__builtin_trap(), (c)');
    expect(check(build)).toBe('the check on avx2 ended with SIGILL');
    expect(records(build.path)).toHaveLength(1);
    unlinkSync(build.path); // From now on only the record can answer.
    expect(check(build)).toBe('the check on avx2 ended with SIGILL');
  }, 300_000);

  test('other bits are told with the operators', async () => {
    const build = await buildFaulty('bits', '_mm256_add_ps(_mm256_mul_ps(a, b), c)');
    const fault = check(build);
    expect(fault).toMatch(/^other bits on avx2 for .*LinearF32/);
    expect(fault!.split(', ').length).toBeLessThanOrEqual(NATIVE_OPERATORS.length);
  }, 300_000);

  test('a build is found without a compiler; one of other sources is not', async () => {
    const build = await buildNative({ home, flags: ['-O0'] });
    expect(findNative({ home, flags: ['-O0'], environment: { PATH: '', CC: 'no-such-compiler' } })).toEqual(build);
    expect(await buildNative({ home, flags: ['-O0'], environment: { CC: 'no-such-compiler' } })).toEqual(build);
    expect(findNative({ home, flags: ['-O0', '-DOTHER'] })).toMatchObject({ path: undefined, isBuildable: true });
    expect(findNative({ home, flags: ['-O0'], environment: { CC: 'false' } })).toMatchObject({ reason: 'CC=false', isBuildable: false });
  }, 300_000);
});

test('the next lower instruction set is taken, and the faults of the higher ones are told', () => {
  const faults: Record<string, string> = { amx: 'the check on amx ended with SIGILL', avx512: 'other bits on avx512 for NormF32' };
  const faultOf = (isa: string): string | undefined => faults[isa];
  expect(chooseSound(['avx2', 'avx512', 'amx'], faultOf)).toEqual({ isa: 'avx2', faults: [faults['amx'], faults['avx512']] });
  expect(chooseSound(['avx2'], faultOf)).toEqual({ isa: 'avx2', faults: [] });
  expect(chooseSound(['amx'], faultOf)).toEqual({ isa: undefined, faults: [faults['amx']] });
});
