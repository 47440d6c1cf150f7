import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { execute, fail, isExecutable, lastLines, root, say } from './environment.mjs';

/** Where a Redis that we unpacked lives: in the clone, so that it goes with it. */
const HOME = join(root, '.maestro/redis');

/** Debian's package of the server program; its package `redis-server` only adds a service and the name. */
const PACKAGE = 'redis-tools';

const WRAPPER = `#!/bin/sh
# Redis as unpacked from Debian packages beside this file, with the libraries that came along.
here=$(dirname "$(readlink -f "$0")")
libraries=$(find "$here/root" -name '*.so.*' -exec dirname {} + | sort -u | tr '\\n' ':')
LD_LIBRARY_PATH="$libraries$LD_LIBRARY_PATH" exec "$here/root/usr/bin/redis-server" "$@"
`;

/** The server program: MAESTRO_REDIS_SERVER, `redis-server` on PATH, or the one we unpacked; undefined when there is none. */
export function findRedis() {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'redis-server'));
  return [process.env.MAESTRO_REDIS_SERVER, ...onPath, join(HOME, 'redis-server')].find((path) => path && isExecutable(path));
}

/** Installs a real Redis with apt: system-wide as root, else by unpacking its packages below .maestro/. */
export async function installRedis() {
  const advice = 'install Redis 6.2 or later so that redis-server is on PATH (macOS: brew install redis), or set REDIS_URL to a server';
  if (!(await execute('apt-get', ['--version'])).ok) fail(`there is no redis-server on PATH, and no apt-get to install it with: ${advice}`);
  const attempts = [];
  if (process.getuid?.() === 0) {
    say('installing redis-server with apt-get');
    attempts.push(await installAsRoot());
    if (findRedis() !== undefined) return;
  }
  say('unpacking redis-server into .maestro/redis (nothing outside this folder changes)');
  attempts.push(await unpack());
  if (findRedis() === undefined) fail(`Redis could not be installed: ${advice}. apt said:\n${lastLines(attempts.join('\n'))}`);
}

/** @returns what apt printed */
async function installAsRoot() {
  // With SYSTEMD_OFFLINE no service is started: a server of ours listens on a port of its own and ends with us.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', SYSTEMD_OFFLINE: '1' };
  const install = () => execute('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'], { env });
  let result = await install();
  if (!result.ok) {
    await execute('apt-get', ['update', '-qq'], { env }); // The package lists are missing, as in most images, or out of date.
    result = await install();
  }
  return result.output;
}

/** @returns what apt and dpkg printed */
async function unpack() {
  const work = join(HOME, `unpacking-${process.pid}`);
  mkdirSync(join(work, 'debs'), { recursive: true });
  try {
    let apt = [];
    let result = await download(apt, work);
    if (!result.ok) {
      // As above, and without the right to write the system's lists: into lists of our own.
      const lists = join(work, 'lists');
      mkdirSync(join(lists, 'partial'), { recursive: true });
      apt = ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${work}`];
      await execute('apt-get', [...apt, 'update', '-qq']);
      result = await download(apt, work);
    }
    let output = result.output;
    for (const deb of readdirSync(join(work, 'debs'))) {
      output += (await execute('dpkg', ['-x', join(work, 'debs', deb), join(work, 'root')])).output;
    }
    const bin = join(work, 'root/usr/bin');
    if (!existsSync(join(bin, 'redis-check-rdb'))) return output;
    // One program under several names: it is the server unless its name says otherwise.
    if (!existsSync(join(bin, 'redis-server'))) symlinkSync('redis-check-rdb', join(bin, 'redis-server'));
    writeFileSync(join(work, 'redis-server'), WRAPPER);
    chmodSync(join(work, 'redis-server'), 0o755);
    const trial = await execute(join(work, 'redis-server'), ['--version']);
    if (!trial.ok) return output + trial.output;
    rmSync(join(HOME, 'root'), { recursive: true, force: true });
    renameSync(join(work, 'root'), join(HOME, 'root'));
    renameSync(join(work, 'redis-server'), join(HOME, 'redis-server'));
    return output;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Fetches the package and those that it needs and the system lacks, without installing anything. */
async function download(apt, work) {
  const needed = await missingPackages(apt);
  return execute('apt-get', [...apt, 'download', ...needed], { cwd: join(work, 'debs') });
}

/** The package with the dependencies, and theirs, that are not installed here. */
async function missingPackages(apt) {
  const needed = new Set([PACKAGE]);
  for (const name of needed) {
    const { output } = await execute('apt-cache', [...apt, 'depends', '--important', name], { env: { ...process.env, LC_ALL: 'C' } });
    for (const [, dependency] of output.matchAll(/^ +(?:Pre)?Depends: ([a-z0-9][a-z0-9.+-]*)$/gm)) {
      if (!needed.has(dependency) && !(await isInstalled(dependency))) needed.add(dependency);
    }
  }
  needed.delete('adduser'); // For the service's account, which an unpacked server does not have.
  return [...needed];
}

async function isInstalled(name) {
  const { output } = await execute('dpkg', ['-s', name], { env: { ...process.env, LC_ALL: 'C' } });
  return /^Status: install ok installed$/m.test(output);
}
