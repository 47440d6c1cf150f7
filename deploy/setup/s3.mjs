import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { execute, isExecutable, lastLines, root, say } from './environment.mjs';
import { readText } from './stamp.mjs';

/** Where an S3 server that we built lives: in the clone, so that it goes with it. */
const HOME = join(root, '.maestro/s3');
/** An S3 server over plain folders (Apache 2.0). Pinned: tests hold us against one known server. */
const MODULE = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0';
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
    writeFileSync(WHY_NOT, `${MODULE}\nno Go 1.25 or later on PATH to build an S3 server with`);
    return;
  }
  say('building an S3 server for tests with Go (once, a few minutes)');
  // Nobody debugs it, and memory is cheaper here than time: without symbols for debuggers, and with a lazy collector in the compiler.
  const flags = ['-trimpath', '-ldflags=-s -w', '-gcflags=all=-dwarf=false'];
  const env = { ...process.env, GOBIN: HOME, CGO_ENABLED: '0', GOGC: process.env.GOGC ?? '400' };
  const built = await execute('go', ['install', ...flags, MODULE], { env });
  if (!built.ok) writeFileSync(WHY_NOT, `${MODULE}\nan S3 server could not be built: ${lastLines(built.output, 3).trim()}`);
}
