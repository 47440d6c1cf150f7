import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { judgeCuda } from './judgeCuda.ts';
import { probeCuda } from './probeCuda.ts';

const hasCompiler = process.platform === 'linux' && process.arch === 'x64' && spawnSync('cc', ['--version']).status === 0;
const withCompiler = hasCompiler ? test : test.skip;
const name = (text: string): string => (hasCompiler ? text : `${text} (needs linux/x64 and cc)`);

let dir: string;

/** Builds a library of that soname that needs `libraries`. */
async function build(path: string, source: string, libraries: readonly string[] = []): Promise<void> {
  const soname = path.split('/').at(-1)!;
  const args = ['-shared', '-fPIC', '-Wl,--no-as-needed', `-Wl,-soname,${soname}`, '-x', 'c', '-', '-o', path, '-x', 'none', ...libraries];
  const { status, stderr } = spawnSync('cc', args, { input: source, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

/** A driver in as many words as the check asks it. */
const driver = (init: number, version: number, gpus: number): string => `
  #include <string.h>
  int cuInit(unsigned flags) { return ${init}; }
  int cuDriverGetVersion(int *version) { *version = ${version}; return 0; }
  int cuDeviceGetCount(int *count) { *count = ${gpus}; return 0; }
  int cuDeviceGetName(char *name, int length, int device) { strcpy(name, "Stub GPU"); return 0; }`;

/** The findings on a machine where the loader looks in `folders` of ours first. */
async function wrong(provider: string, ...folders: readonly string[]) {
  return judgeCuda(await factsOf(provider, ...folders)).filter(({ ok }) => !ok);
}

async function factsOf(provider: string, ...folders: readonly string[]) {
  const env = { ...process.env, NODE_OPTIONS: '', LD_LIBRARY_PATH: folders.map((folder) => join(dir, folder)).join(':') };
  return probeCuda({ folder: join(dir, provider), env });
}

beforeAll(async () => {
  if (!hasCompiler) return;
  dir = await mkdtemp(join(tmpdir(), 'maestro-cuda-'));
  for (const folder of ['cuda13', 'cuda12', 'ready', 'old', 'none', 'crash', 'provider', 'damaged']) await mkdir(join(dir, folder));
  const libraries = ['libcudart.so.13', 'libcublas.so.13'].map((each) => join(dir, 'cuda13', each));
  for (const path of libraries) await build(path, '');
  await build(join(dir, 'cuda12/libcudart.so.12'), '');
  await build(join(dir, 'cuda13/libcublasLt.so.13'), 'unsigned long cublasLtGetVersion(void) { return 130200; }');
  await build(join(dir, 'cuda13/libcudnn.so.9'), 'unsigned long cudnnGetVersion(void) { return 91301; }');
  await build(join(dir, 'ready/libcuda.so.1'), driver(0, 13000, 1));
  await build(join(dir, 'old/libcuda.so.1'), driver(0, 12040, 1));
  await build(join(dir, 'none/libcuda.so.1'), driver(100, 13000, 0));
  await build(join(dir, 'crash/libcuda.so.1'), 'int cuInit(unsigned flags) { return *(volatile int *)0; }');
  const needed = [...libraries, join(dir, 'ready/libcuda.so.1')];
  await build(join(dir, 'provider/libonnxruntime_providers_cuda.so'), '', needed);
  await writeFile(join(dir, 'provider/libonnxruntime_providers_shared.so'), '');
  await writeFile(join(dir, 'damaged/libonnxruntime_providers_cuda.so'), 'half a file');
  await writeFile(join(dir, 'damaged/libonnxruntime_providers_shared.so'), '');
});

afterAll(async () => {
  if (dir !== undefined) await rm(dir, { recursive: true, force: true });
});

withCompiler(name('with provider, libraries and a driver that answers, nothing is wrong'), async () => {
  expect(await wrong('provider', 'cuda13', 'ready')).toEqual([]);
  expect(await factsOf('provider', 'cuda13', 'ready')).toMatchObject({ driver: { gpus: ['Stub GPU'] }, cublas: 130200, cudnn: 91301 });
});

withCompiler(name('libraries of another major version are no libraries, and are told of'), async () => {
  const [finding, ...others] = await wrong('provider', 'cuda12', 'ready');
  expect(others).toEqual([]);
  expect(finding).toMatchObject({
    what: 'CUDA libraries',
    found: expect.stringContaining(`libcudart.so.13, libcublas.so.13 not found; what is here is CUDA of another version (${dir}/cuda12/`),
  });
});

withCompiler(name('a driver that serves an older CUDA, has no GPU or crashes is one finding'), async () => {
  const found = async (folder: string) => (await wrong('provider', 'cuda13', folder)).map((finding) => `${finding.what}: ${finding.found}`);
  expect(await found('old')).toEqual([expect.stringMatching(/^NVIDIA driver: .*for CUDA 12\.4, which is older than CUDA 13$/)]);
  expect(await found('none')).toEqual([expect.stringMatching(/^NVIDIA driver: .*it finds no GPU \(cuInit 100\)$/)]);
  expect(await found('crash')).toEqual([
    expect.stringMatching(/^NVIDIA driver: .*libcuda\.so\.1 ended the process that asked it \(SIG(SEGV|ILL)\)$/),
  ]);
});

withCompiler(name('a provider that is not there, or broken, is told of without what it would need'), async () => {
  expect((await wrong('cuda13', 'cuda13', 'ready')).map(({ found }) => found)).toEqual([
    `libonnxruntime_providers_cuda.so and libonnxruntime_providers_shared.so missing in ${dir}/cuda13`,
  ]);
  expect((await wrong('damaged', 'cuda13', 'ready')).map(({ found }) => found)).toEqual([`in ${dir}/damaged, but damaged`]);
});
