import { execFile } from 'node:child_process';
import { access, mkdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Path of a program, or the reason why it is unavailable. */
export type FoundTool = { readonly path: string } | { readonly reason: string };

/** Installs a program of a PyPI package, in a virtual environment that is created once. */
export function pythonTool(name: string, requirement: string): Promise<FoundTool> {
  return cachedTool(requirement, join('bin', name), async (dir) => {
    await run('python3', ['-m', 'venv', dir]);
    await run(join(dir, 'bin', 'python3'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', requirement]);
  });
}

/** Builds a program of a Go module, `module@version`, once. */
export function goTool(name: string, module: string): Promise<FoundTool> {
  return cachedTool(module, name, async (dir) => {
    await run('go', ['install', module], { env: { ...process.env, GOBIN: dir } });
  });
}

/** Tools outlive the clone: they are in the user's cache. */
async function cachedTool(key: string, program: string, make: (dir: string) => Promise<void>): Promise<FoundTool> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'maestro-tests');
  const dir = join(cache, key.replaceAll(/[^\w.@=-]+/g, '-'));
  const path = join(dir, program);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return { path };
  await mkdir(cache, { recursive: true });
  try {
    await make(dir);
    return { path };
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    const { stderr, message } = error as Error & { readonly stderr?: string };
    const said = (stderr ?? message).trim().split('\n');
    return { reason: `${key} cannot be had: ${said.at(-1)}` };
  }
}
