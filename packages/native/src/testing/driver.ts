import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NATIVE_SOURCES } from '../buildNative.ts';
import type { NativeOperator } from '../operators.ts';
import { formulaInputs, type OperatorShape } from '../testVectors.ts';

const run = promisify(execFile);

const COMMON_FLAGS = ['-std=gnu11', '-ffp-contract=off', '-fno-math-errno'];

/** How the driver is compiled: the compiler, flags for all files, and the instruction sets with theirs. */
export interface DriverBuild {
  readonly compiler: string;
  readonly flags: readonly string[];
  readonly sets: Readonly<Record<string, readonly string[]>>;
}

/** Compiles the library's sources, and others of the same folder, and returns the paths of the objects. */
export async function buildObjects(folder: string, { compiler, flags, sets }: DriverBuild, others: readonly string[]): Promise<string[]> {
  const compile = async (object: string, args: readonly string[]): Promise<string> => {
    await run(compiler, [...COMMON_FLAGS, ...flags, ...args, '-c', '-o', join(folder, object)]);
    return join(folder, object);
  };
  const units = Object.entries(sets).map(([name, own]) =>
    compile(`${name}.o`, [
      ...own,
      `-DNATIVE_TABLE=KERNELS_${name.toUpperCase()}`,
      `-DNATIVE_NAME="${name}"`,
      join(NATIVE_SOURCES, 'isa.c'),
    ]),
  );
  const common = ['tasks.c', 'dispatch.c', 'operators.c', ...others].map((file) =>
    compile(`${file.replaceAll('/', '-')}.o`, [join(NATIVE_SOURCES, file)]),
  );
  return Promise.all([...units, ...common]);
}

/** Compiles `c/test/driver.c` with the library's sources into one program. */
export async function buildDriver(folder: string, build: DriverBuild): Promise<string> {
  const objects = await buildObjects(folder, build, ['crash.c', 'test/driver.c']);
  const program = join(folder, 'driver');
  await run(build.compiler, [...COMMON_FLAGS, ...build.flags, ...objects, '-lm', '-lpthread', '-o', program]);
  return program;
}

/** What the driver is given for an operator: see driver.c. */
export function request(operator: NativeOperator, shape?: OperatorShape): Buffer {
  const { inputs, attributes } = formulaInputs(operator, shape);
  const name = Buffer.alloc(32);
  name.write(operator.name);
  const words = (values: readonly number[]): Buffer => Buffer.from(BigInt64Array.from(values, BigInt).buffer);
  const dims = inputs.map(({ dims }) => words([dims.length, ...dims, ...Array<number>(6 - dims.length).fill(0)]));
  const data = inputs.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return Buffer.concat([name, words([attributes.tokens ?? 0, attributes.heads ?? 0, attributes.from ?? 0]), ...dims, ...data]);
}

/** SHA-256 of what the driver writes for requests. @throws Error with what it, or a sanitizer, says. */
export async function runDriver(command: readonly string[], input: Buffer, environment: NodeJS.ProcessEnv = {}): Promise<string> {
  const child = run(command[0]!, command.slice(1), {
    encoding: 'buffer',
    maxBuffer: 2 ** 30,
    env: { ...process.env, ...environment },
  });
  child.child.stdin!.end(input);
  const { stdout } = await child;
  return createHash('sha256').update(stdout).digest('hex');
}
