import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { execute, isExecutable, lastLines, root, say } from './environment.mjs';
import { readText } from './stamp.mjs';

/** Where an S3 server that we built lives: in the clone, so that it goes with it. */
const HOME = join(root, '.maestro/s3');
/** An S3 server over plain folders (Apache 2.0). Pinned: tests hold us against one known server. */
const MODULE = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0';
const ASK_MS = 60_000;
/** A build that takes longer is given up: the tests that are left are worth more than those of S3. */
const BUILD_MS = 20 * 60_000;
/** Why there is none, so that the build is not tried by every run; removing the file tries it again. */
export const WHY_NOT = join(HOME, 'why-not.txt');

/** The S3 server for tests: MAESTRO_S3_SERVER, `versitygw` on PATH, or the one we built; undefined when there is none. */
export function findS3Server() {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'versitygw'));
  return [process.env.MAESTRO_S3_SERVER, ...onPath, join(HOME, 'versitygw')].find((path) => path && isExecutable(path));
}

/** Whether an earlier run has found that it cannot be built here. */
export const isS3ServerOutOfReach = () => readText(WHY_NOT).startsWith(MODULE);

/** Builds it with Go, where Go is. Where it cannot be had, the tests that want it are skipped, and say why. */
export async function installS3Server() {
  mkdirSync(HOME, { recursive: true });
  const { ok, output } = await execute('go', ['version']);
  const version = /go(\d+)\.(\d+)/.exec(output);
  if (!ok || version === null || Number(version[1]) < 1 || Number(version[2]) < 25) {
    giveUp('no Go 1.25 or later on PATH to build an S3 server with');
    return;
  }
  say('building an S3 server for tests with Go (once: seconds to ten minutes, by what Go has built before; given up after twenty)');
  // Asked first, since a build without a network says so only after it has waited for each of its modules.
  const found = await execute('go', ['list', '-m', MODULE.replace('/cmd/versitygw', '')], {
    cwd: HOME,
    env: outsideModules(),
    timeout: ASK_MS,
  });
  if (!found.ok) return giveUp(`an S3 server could not be built, its source is not to be had: ${reasonOf(found, ASK_MS)}`);
  // Nobody debugs it, and memory is cheaper here than time: without symbols for debuggers, and with a lazy collector in the compiler.
  const flags = ['-trimpath', '-ldflags=-s -w', '-gcflags=all=-dwarf=false'];
  const env = { ...outsideModules(), GOBIN: HOME, CGO_ENABLED: '0', GOGC: process.env.GOGC || '400' };
  const built = await execute('go', ['install', ...flags, MODULE], { cwd: HOME, env, timeout: BUILD_MS });
  if (!built.ok) giveUp(`an S3 server could not be built: ${reasonOf(built, BUILD_MS)}`);
}

/** Says why there is none, now and to the tests of each later run. */
function giveUp(reason) {
  writeFileSync(WHY_NOT, `${MODULE}\n${reason} (remove ${relative(root, WHY_NOT)} to try again)`);
  say(`tests with S3 will be skipped: ${reason}`);
}

const outsideModules = () => ({ ...process.env, GOWORK: 'off' });

const reasonOf = ({ output, isLate }, limitMs) => (isLate ? `it took more than ${limitMs / 60_000} min` : lastLines(output, 3).trim());
