import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readEnvironment, type Variables } from '@maestro/protocol';
import { z } from 'zod';
import { type Compiler, findCompiler } from './compiler.ts';
import { readRecord, writeRecord } from './record.ts';

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
const COMMON = ['crash.c', 'tasks.c', 'tail.c', 'dispatch.c', 'operators.c', 'ort_glue.c'];

/** Compiled once, for the lowest instruction set. */
const IMAGES = join('images', 'images.c');

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

/** The current build of some sources and flags: what a process that only runs reads, and needs no compiler for. */
const manifestSchema = z.strictObject({ folder: z.string().regex(/^[0-9a-f]{32}$/), hash: z.string(), compiler: z.string() });

/** What is built, whatever the compiler. */
interface Sources {
  readonly sets: readonly InstructionSet[];
  readonly flags: readonly string[];
  /** SHA-256 of sources and flags. */
  readonly digest: string;
  readonly home: string;
  readonly manifest: string;
}

const libraryIn = (home: string, folder: string): string => join(home, folder, 'libmaestro.so');

/** The sources of this machine's library; or why there can be none. */
function readSources({ environment = readEnvironment(), home, arch = process.arch, flags = [] }: BuildOptions): Sources | string {
  const sets = INSTRUCTION_SETS[arch];
  if (process.platform !== 'linux' || sets === undefined) return `no native operators for ${process.platform}/${arch}`;
  if (environment['CC'] === 'false') return 'CC=false';
  if (!existsSync(NATIVE_SOURCES)) return 'no C sources here';
  const hash = createHash('sha256');
  const files = ['', 'images'].flatMap((folder) => readdirSync(join(NATIVE_SOURCES, folder)).map((file) => join(folder, file)));
  for (const file of files.filter((each) => /\.[ch]$/.test(each)).sort())
    hash.update(`${file}\0`).update(readFileSync(join(NATIVE_SOURCES, file)));
  const all = [...FLAGS, ...flags];
  const digest = hash.update(JSON.stringify({ flags: all, sets })).digest('hex');
  const folder = home ?? environment['MAESTRO_NATIVE_DIR'] ?? HOME;
  return { sets, flags: all, digest, home: folder, manifest: join(folder, `${digest.slice(0, 32)}.json`) };
}

/** The library that is there already, of the sources as they are; nothing is compiled, and no compiler is looked for. */
export function findNative(options: BuildOptions = {}): NativeBuild {
  const sources = readSources(options);
  if (typeof sources === 'string') return { path: undefined, reason: sources, isBuildable: false };
  const current = readRecord(sources.manifest, manifestSchema);
  const path = current && libraryIn(sources.home, current.folder);
  if (path === undefined || !existsSync(path)) return { path: undefined, reason: 'not built: run npm run setup', isBuildable: true };
  return { path, hash: current!.hash, compiler: current!.compiler };
}

/**
 * Compiles the library unless this compiler's is there: some seconds. Others may do the same at the same time. Where there is no compiler,
 * the library that is there serves.
 */
export async function buildNative(options: BuildOptions = {}): Promise<NativeBuild> {
  const sources = readSources(options);
  if (typeof sources === 'string') return { path: undefined, reason: sources, isBuildable: false };
  const compiler = findCompiler(options.environment);
  if (typeof compiler === 'string') {
    const found = findNative(options);
    return found.path === undefined ? { path: undefined, reason: compiler, isBuildable: false } : found;
  }
  const { home, manifest, digest } = sources;
  const hash = createHash('sha256').update(digest).update(compiler.version).digest('hex');
  const folder = hash.slice(0, 32);
  const path = libraryIn(home, folder);
  if (!existsSync(path)) {
    let work: string;
    try {
      mkdirSync(home, { recursive: true });
      work = mkdtempSync(join(home, `${folder}.`));
    } catch (error) {
      const reason = `${home} cannot be written (${(error as NodeJS.ErrnoException).code}): set MAESTRO_NATIVE_DIR to a folder of yours`;
      return { path: undefined, reason, isBuildable: false };
    }
    try {
      await compile(sources, compiler, work);
      // Who runs it may be another user than who built it.
      chmodSync(work, 0o755);
      try {
        renameSync(work, join(home, folder));
      } catch (error) {
        if (!existsSync(path)) throw error;
      }
    } catch (error) {
      return { path: undefined, reason: `${compiler.path} failed: ${(error as Error).message}`, isBuildable: false };
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  writeRecord(manifest, { folder, hash, compiler: compiler.version });
  return { path, hash, compiler: compiler.version };
}

/** All files at once, then the link. */
async function compile({ sets, flags }: Sources, compiler: Compiler, work: string): Promise<void> {
  const source = (file: string): string => join(NATIVE_SOURCES, file);
  const units = [
    ...sets.map(({ name, flags: own }) => {
      const names = [`-DNATIVE_TABLE=KERNELS_${name.toUpperCase()}`, `-DNATIVE_NAME="${name}"`];
      return { object: `${name}.o`, args: [...own, ...names, '-c', source('isa.c')] };
    }),
    ...COMMON.map((file) => ({ object: `${file}.o`, args: ['-c', source(file)] })),
    { object: 'images.o', args: [...sets[0]!.flags, '-c', source(IMAGES)] },
  ];
  await Promise.all(units.map(({ object, args }) => execute(compiler.path, [...flags, ...args, '-o', join(work, object)])));
  const objects = units.map(({ object }) => join(work, object));
  await execute(compiler.path, [...flags, '-shared', ...objects, '-lm', '-lpthread', '-o', join(work, 'libmaestro.so')]);
  for (const object of objects) rmSync(object);
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
