import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, say } from './environment.mjs';
import { digest, readText, writeStamp } from './stamp.mjs';

const STAMP = join(root, '.maestro/native/stamp');
const SOURCES = join(root, 'packages/native/c');

/** What decides whether the native operators have to be looked at again: their sources, and which compiler is asked for. */
function wanted() {
  const files = readdirSync(SOURCES).map((name) => {
    const { size, mtimeMs } = statSync(join(SOURCES, name));
    return `${name} ${size} ${mtimeMs}`;
  });
  return digest([process.env.CC ?? '', process.arch, ...files.sort()]);
}

/** Whether the native operators are built, or known to be out of reach. */
export function hasNative() {
  return !existsSync(SOURCES) || readText(STAMP) === wanted();
}

/** Compiles the native operators where there is a C compiler; without one everything works as it would, and one line says so. */
export async function buildNative() {
  const { buildNative: build, findNative } = await import(pathToFileURL(join(root, 'packages/native/dist/index.js')).href);
  let found = findNative();
  if (found.isBuildable) {
    say('compiling the native operators');
    found = await build();
  }
  if (found.path === undefined) say(`no native operators (${found.reason}): training uses those of ONNX Runtime`);
  writeStamp(STAMP, wanted());
}
