import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NATIVE_SOURCES } from '../buildNative.ts';
import type { NativeOperator } from '../operators.ts';
import { formulaInputs, type OperatorShape } from '../testVectors.ts';

const run = promisify(execFile);

/** How the driver is compiled: the compiler, flags for all files, and the instruction sets with theirs. */
export interface DriverBuild {
  readonly compiler: string;
  readonly flags: readonly string[];
  readonly sets: Readonly<Record<string, readonly string[]>>;
}

/** Compiles `c/test/driver.c` with the library's sources into one program. */
export async function buildDriver(folder: string, { compiler, flags, sets }: DriverBuild): Promise<string> {
  const all = ['-std=gnu11', '-ffp-contract=off', '-fno-math-errno', ...flags];
  const compile = async (object: string, args: readonly string[]): Promise<string> => {
    await run(compiler, [...all, ...args, '-o', join(folder, object)]);
    return join(folder, object);
  };
  const units = Object.entries(sets).map(([name, own]) =>
    compile(`${name}.o`, [
      ...own,
      `-DNATIVE_TABLE=KERNELS_${name.toUpperCase()}`,
      `-DNATIVE_NAME="${name}"`,
      '-c',
      join(NATIVE_SOURCES, 'isa.c'),
    ]),
  );
  const common = ['crash.c', 'tasks.c', 'dispatch.c', 'operators.c', 'test/driver.c'].map((file) =>
    compile(`${file.replace('/', '-')}.o`, ['-c', join(NATIVE_SOURCES, file)]),
  );
  const objects = await Promise.all([...units, ...common]);
  const program = join(folder, 'driver');
  await run(compiler, [...all, ...objects, '-lm', '-lpthread', '-o', program]);
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
