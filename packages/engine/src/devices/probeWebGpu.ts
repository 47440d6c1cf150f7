import { execFile } from 'node:child_process';
import { access, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorMessage, readEnvironment } from '@maestro/protocol';
import { listSupportedBackends } from 'onnxruntime-node';
import type { WebGpuFacts } from './judgeWebGpu.ts';

/** A driver may compile for some seconds when it is first used. */
const PROBE_TIMEOUT_MS = 30_000;
/** Where the Vulkan loader looks for drivers (LoaderDriverInterface.md, "Linux Driver Discovery"). */
const DRIVER_FOLDERS = [
  '/etc/vulkan/icd.d',
  '/usr/share/vulkan/icd.d',
  '/usr/local/share/vulkan/icd.d',
  join(homedir(), '.local/share/vulkan/icd.d'),
];

/** Opens a session on WebGPU in a process of its own, and says what became of it. */
export async function probeWebGpu(env: NodeJS.ProcessEnv = process.env): Promise<WebGpuFacts> {
  const platform = `${process.platform}/${process.arch}`;
  const isBundled = listSupportedBackends().some(({ name, bundled }) => name === 'webgpu' && bundled);
  if (!isBundled) return { platform, isBundled };
  const entry = fileURLToPath(new URL('./probeWebGpuMain.js', import.meta.url));
  const failure = await new Promise<string | undefined>((resolve) => {
    execFile(process.execPath, [entry], { env, timeout: PROBE_TIMEOUT_MS }, (error, _, stderr) => {
      if (error === null) resolve(undefined);
      else if (error.killed) resolve(`the driver did not answer in ${PROBE_TIMEOUT_MS / 1000} s`);
      else resolve(error.signal ? `the driver ended the process that opened it (${error.signal})` : stderr || errorMessage(error));
    });
  });
  if (failure === undefined || process.platform !== 'linux') return { platform, isBundled, ...(failure !== undefined && { failure }) };
  return { platform, isBundled, failure, drivers: await vulkanDrivers(env) };
}

/** Files that describe Vulkan drivers, as the loader finds them, and those that are named but not there. */
async function vulkanDrivers(env: NodeJS.ProcessEnv): Promise<{ readonly found: readonly string[]; readonly missing: readonly string[] }> {
  const { VK_DRIVER_FILES: drivers, VK_ICD_FILENAMES: olderName } = readEnvironment(env);
  const named = (drivers ?? olderName)?.split(':').filter(Boolean);
  if (named !== undefined) {
    const isThere = await Promise.all(
      named.map((path) =>
        access(path).then(
          () => true,
          () => false,
        ),
      ),
    );
    return { found: named.filter((_, i) => isThere[i]), missing: named.filter((_, i) => !isThere[i]) };
  }
  const listed = DRIVER_FOLDERS.map(async (dir) =>
    (await readdir(dir).catch(() => [])).filter((name) => name.endsWith('.json')).map((name) => join(dir, name)),
  );
  return { found: (await Promise.all(listed)).flat(), missing: [] };
}
