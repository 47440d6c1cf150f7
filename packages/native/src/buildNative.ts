import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readEnvironment, type Variables } from '@maestro/protocol';
import { type Compiler, findCompiler } from './compiler.ts';

/** Where the C sources are. */
export const NATIVE_SOURCES = fileURLToPath(new URL('../c', import.meta.url));

/** Where libraries are kept, each in a folder named for its hash; in the clone, so that they go with it. */
const HOME = fileURLToPath(new URL('../../../.maestro/native', import.meta.url));

/** Contraction of a * b + c would make the bits depend on the compiler. */
const FLAGS = ['-std=gnu11', '-O3', '-fPIC', '-ffp-contract=off', '-fno-math-errno', '-fvisibility=hidden'];

const AVX512 = ['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mfma'];

/** A set of instructions that the kernels are compiled for. */
interface InstructionSet {
  readonly name: string;
  readonly flags: readonly string[];
}

/** By Node's name of the architecture. */
const INSTRUCTION_SETS: Readonly<Record<string, readonly InstructionSet[]>> = {
  x64: [
    { name: 'avx2', flags: ['-mavx2', '-mfma', '-mtune=haswell'] },
    { name: 'avx512', flags: AVX512 },
    { name: 'amx', flags: [...AVX512, '-mamx-tile', '-mamx-bf16', '-DNATIVE_AMX'] },
  ],
  arm64: [{ name: 'neon', flags: [] }],
};

/** Compiled once: what does no arithmetic. */
const COMMON = ['tasks.c', 'tail.c', 'dispatch.c', 'operators.c', 'ort_glue.c'];

/** A library that is built, or could not be. */
export type NativeBuild =
  | { readonly path: string; readonly hash: string; readonly compiler: string }
  | { readonly path: undefined; readonly reason: string /** Whether a build may help. */; readonly isBuildable: boolean };

/** How it is built; the defaults are those of the product. */
export interface BuildOptions {
  readonly environment?: Variables;
  readonly home?: string;
  readonly arch?: string;
  /** Further flags for each compilation. */
  readonly flags?: readonly string[];
}

interface Plan {
  readonly compiler: Compiler;
  readonly sets: readonly InstructionSet[];
  readonly flags: readonly string[];
  readonly hash: string;
  readonly folder: string;
  readonly path: string;
}

/** Where the library of these sources, flags and compiler is or would be; or why there can be none. */
function plan({ environment = readEnvironment(), home, arch = process.arch, flags = [] }: BuildOptions): Plan | string {
  const sets = INSTRUCTION_SETS[arch];
  if (process.platform !== 'linux' || sets === undefined) return `no native operators for ${process.platform}/${arch}`;
  if (!existsSync(NATIVE_SOURCES)) return 'no C sources here';
  const compiler = findCompiler(environment);
  if (typeof compiler === 'string') return compiler;
  const hash = createHash('sha256');
  const files = readdirSync(NATIVE_SOURCES).filter((file) => /\.[ch]$/.test(file));
  for (const file of files.sort()) hash.update(`${file}\0`).update(readFileSync(join(NATIVE_SOURCES, file)));
  const all = [...FLAGS, ...flags];
  hash.update(JSON.stringify({ flags: all, sets, compiler: compiler.version }));
  const digest = hash.digest('hex');
  const folder = join(home ?? environment['MAESTRO_NATIVE_DIR'] ?? HOME, digest.slice(0, 32));
  return { compiler, sets, flags: all, hash: digest, folder, path: join(folder, 'libmaestro.so') };
}

/** The library that is there already; nothing is compiled. */
export function findNative(options: BuildOptions = {}): NativeBuild {
  const planned = plan(options);
  if (typeof planned === 'string') return { path: undefined, reason: planned, isBuildable: false };
  const { path, hash, compiler } = planned;
  if (!existsSync(path)) return { path: undefined, reason: 'not built: run npm run setup', isBuildable: true };
  return { path, hash, compiler: compiler.version };
}

/** Compiles the library unless it is there: some seconds. Others may do the same at the same time. */
export async function buildNative(options: BuildOptions = {}): Promise<NativeBuild> {
  const planned = plan(options);
  if (typeof planned === 'string') return { path: undefined, reason: planned, isBuildable: false };
  const { folder, path, hash, compiler } = planned;
  if (!existsSync(path)) {
    mkdirSync(join(folder, '..'), { recursive: true });
    const work = mkdtempSync(`${folder}.`);
    try {
      await compile(planned, work);
      try {
        renameSync(work, folder);
      } catch (error) {
        if (!existsSync(path)) throw error;
      }
    } catch (error) {
      return { path: undefined, reason: `${compiler.path} failed: ${(error as Error).message}`, isBuildable: false };
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { path, hash, compiler: compiler.version };
}

/** All files at once, then the link. */
async function compile({ compiler, sets, flags, hash }: Plan, work: string): Promise<void> {
  const source = (file: string): string => join(NATIVE_SOURCES, file);
  const units = [
    ...sets.map(({ name, flags: own }) => {
      const names = [`-DNATIVE_TABLE=KERNELS_${name.toUpperCase()}`, `-DNATIVE_NAME="${name}"`];
      return { object: `${name}.o`, args: [...own, ...names, '-c', source('isa.c')] };
    }),
    ...COMMON.map((file) => ({ object: `${file}.o`, args: ['-c', source(file)] })),
  ];
  await Promise.all(units.map(({ object, args }) => execute(compiler.path, [...flags, ...args, '-o', join(work, object)])));
  const objects = units.map(({ object }) => join(work, object));
  await execute(compiler.path, [...flags, '-shared', ...objects, '-lm', '-lpthread', '-o', join(work, 'libmaestro.so')]);
  for (const object of objects) rmSync(object);
  writeFileSync(join(work, 'build.json'), `${JSON.stringify({ compiler: compiler.version, hash })}\n`);
}

function execute(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(output.split('\n').find((line) => /error/i.test(line)) ?? `it ended with ${code}`));
    });
  });
}
