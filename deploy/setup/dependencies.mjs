import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { execute, fail, lastLines, root, say } from './environment.mjs';
import { digest, readText, writeStamp } from './stamp.mjs';

/** In node_modules, so that it goes when they go. */
const STAMP = join(root, 'node_modules/.maestro-dependencies');

/** All that decides what npm installs: the manifests, the lock, npm's options, and the kind of machine that native packages are for. */
function wanted() {
  const { workspaces } = JSON.parse(readText(join(root, 'package.json')));
  const folders = workspaces.flatMap((pattern) => {
    if (!pattern.endsWith('/*')) return [pattern];
    const parent = pattern.slice(0, -2);
    return readdirSync(join(root, parent)).map((name) => `${parent}/${name}`);
  });
  const files = ['package.json', 'package-lock.json', '.npmrc', ...folders.sort().map((folder) => `${folder}/package.json`)];
  return digest([process.platform, process.arch, ...files.flatMap((file) => [file, readText(join(root, file))])]);
}

/** Whether node_modules is what the manifests and the lock ask for. */
export function hasDependencies() {
  return readText(STAMP) === wanted();
}

/** Installs exactly what the lock names; when a manifest has gone ahead of the lock, brings the lock up to date. */
export async function installDependencies() {
  say(`installing dependencies with npm ${existsSync(STAMP) ? '(they have changed)' : '(a minute the first time)'}`);
  let result = await npm('ci');
  if (!result.ok && /EUSAGE|in sync/.test(result.output)) {
    say('package-lock.json is behind the manifests: npm install brings it up to date');
    result = await npm('install');
  }
  if (!result.ok) fail(`npm could not install the dependencies; run "npm ci" to see it all. It said:\n${lastLines(result.output)}`);
  writeStamp(STAMP, wanted());
}

/** The npm that started us, else the one on PATH: npm 10 and 11 both do. Our .npmrc keeps packages from running scripts. */
function npm(command) {
  const args = [command, '--no-audit', '--no-fund', '--loglevel=error'];
  const script = process.env.npm_execpath;
  return script?.endsWith('.js')
    ? execute(process.execPath, [script, ...args])
    : execute('npm', args, { shell: process.platform === 'win32' });
}
