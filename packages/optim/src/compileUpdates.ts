import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';
import { KERNEL_RULES } from './updateKernels.ts';
import { updateModuleWat } from './updateWat.ts';

const TARGET = new URL('../src/updates.wasm.ts', import.meta.url);

/**
 * The text of `updates.wasm.ts`: the rules of all optimisers compiled once for memories of one thread and once for shared ones (a module
 * must say which of them it imports). Development only; a test holds the committed file to this.
 */
export async function compileUpdates(): Promise<string> {
  return `/** The rules of the optimisers as compiled by \`npm run wat -w @maestro/optim\`, in base64; never edited by hand. */
export const UNSHARED_UPDATES =
  ${await toBase64({ shared: false })};

/** The same for a memory that several threads share. */
export const SHARED_UPDATES =
  ${await toBase64({ shared: true })};
`;
}

/** Returns a module in base64, as an expression of lines. */
async function toBase64(options: { readonly shared: boolean }): Promise<string> {
  const { parseWat } = await wabt();
  const module = parseWat('updates.wat', updateModuleWat(KERNEL_RULES, options), { simd: true, threads: true });
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

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(TARGET, await compileUpdates());
