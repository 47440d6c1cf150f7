import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';

const read = (name: string): Promise<string> => readFile(new URL(`../src/${name}`, import.meta.url), 'utf8');
const TARGET = new URL('../src/kernels.wasm.ts', import.meta.url);

/**
 * The text of `kernels.wasm.ts`: `kernels.wat` compiled once for memories of one thread and once for shared ones (a module
 * must say which of them it imports), `pixels.wat`, `xxh3.wat` and `uniforms.wat`. Development only; a test holds the committed file to this.
 */
export async function compileKernels(): Promise<string> {
  const source = await read('kernels.wat');
  const unshared = await toBase64('kernels.wat', source);
  const shared = await toBase64('kernels.wat', source.replace('(memory 0 65536)', '(memory 0 65536 shared)'));
  const pixels = await toBase64('pixels.wat', await read('pixels.wat'));
  const xxh3 = await toBase64('xxh3.wat', await read('xxh3.wat'));
  const uniforms = await toBase64('uniforms.wat', await read('uniforms.wat'));
  return `/** \`kernels.wat\` as compiled by \`npm run wat -w @maestro/kernels\`, in base64; never edited by hand. */
export const UNSHARED_WASM =
  ${unshared};

/** The same for a memory that several threads share. */
export const SHARED_WASM =
  ${shared};

/** \`pixels.wat\`, likewise. */
export const PIXELS_WASM =
  ${pixels};

/** \`xxh3.wat\`, likewise. */
export const XXH3_WASM =
  ${xxh3};

/** \`uniforms.wat\`, likewise. */
export const UNIFORMS_WASM =
  ${uniforms};
`;
}

/** Returns a module in base64, as an expression of lines. */
async function toBase64(name: string, source: string): Promise<string> {
  const { parseWat } = await wabt();
  const module = parseWat(name, source, { simd: true, threads: true });
  try {
    const text = Buffer.from(module.toBinary({}).buffer).toString('base64');
    return text
      .match(/.{1,132}/g)!
      .map((line) => `'${line}'`)
      .join(' +\n  ');
  } finally {
    module.destroy();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(TARGET, await compileKernels());
