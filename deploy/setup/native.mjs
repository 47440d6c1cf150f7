import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, say } from './environment.mjs';
import { digest, readText, writeStamp } from './stamp.mjs';

const STAMP = join(root, '.maestro/native/stamp');
const SOURCES = join(root, 'packages/native/c');

/** What decides whether the native operators have to be looked at again: their sources, how they are built, and the compiler asked for. */
function wanted() {
  const files = readdirSync(SOURCES, { recursive: true }).map((name) => {
    const { size, mtimeMs } = statSync(join(SOURCES, name));
    return `${name} ${size} ${mtimeMs}`;
  });
  const how = readText(join(root, 'packages/native/dist/buildNative.js'));
  return digest([process.env.CC ?? '', process.env.MAESTRO_NATIVE_DIR ?? '', process.arch, how, ...files.sort()]);
}

/** Whether the native operators are built, or known to be out of reach. */
export function hasNative() {
  return !existsSync(SOURCES) || readText(STAMP) === wanted();
}

/**
 * Compiles the native operators where there is a C compiler, and checks them in a process of their own; without them everything works as it
 * would, and one line says so.
 */
export async function buildNative() {
  const { describeNative, findNative, prepareNative } = await import(pathToFileURL(join(root, 'packages/native/dist/index.js')).href);
  if (findNative().isBuildable) say('compiling the native operators');
  await prepareNative();
  const { isa, reason } = describeNative();
  if (isa === undefined) say(`no native operators (${reason}): training uses those of ONNX Runtime`);
  else if (reason !== undefined) say(`native operators: ${reason}; ${isa} is used`);
  try {
    writeStamp(STAMP, wanted());
  } catch (error) {
    // A package that another user installed: it is looked at again the next time.
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw error;
  }
}
