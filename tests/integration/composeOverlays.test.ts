import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { at, everywhere, listAt } from '../kubernetes/manifests.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const OVERLAYS = 'deploy/compose';
/** Every set of files that the guide starts a machine with. */
const MACHINES = [
  ['docker-compose.yml', `${OVERLAYS}/coordinator-host.yml`],
  ['docker-compose.yml', `${OVERLAYS}/coordinator-host.yml`, `${OVERLAYS}/nfs.yml`],
  [`${OVERLAYS}/worker-host.yml`],
  [`${OVERLAYS}/worker-host.yml`, `${OVERLAYS}/nfs.yml`],
];
const SETTINGS = {
  MAESTRO_HOST: '10.0.0.4',
  MAESTRO_COORDINATOR_HOST: '10.0.0.3',
  MAESTRO_NFS_SERVER: '10.0.0.2',
  MAESTRO_REDIS_PASSWORD: 'redis',
  MAESTRO_TOKENS: 'me:admin:token',
  MAESTRO_TOKEN: 'token',
  MAESTRO_WORKER_TOKEN: 'worker',
  MAESTRO_READ_TOKEN: 'reader',
  GRAFANA_PASSWORD: 'grafana',
};

/** Empty: a .env in the folder is somebody's own. docker-compose 1.29 takes a regular file alone. */
const NO_SETTINGS = join(mkdtempSync(join(tmpdir(), 'maestro-overlays-')), 'env');
writeFileSync(NO_SETTINGS, '');
afterAll(() => rmSync(dirname(NO_SETTINGS), { recursive: true }));

const hasCompose = ((): boolean => {
  try {
    execFileSync('docker-compose', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
if (!hasCompose) process.stderr.write('compose overlays are not merged here: no docker-compose\n');

/** What docker-compose makes of some files. */
function merged(files: readonly string[], settings: Readonly<Record<string, string>> = SETTINGS): unknown {
  const args = ['--env-file', NO_SETTINGS, '--project-directory', ROOT, ...files.flatMap((file) => ['-f', join(ROOT, file)]), 'config'];
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...settings };
  return parse(execFileSync('docker-compose', args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] }));
}

(hasCompose ? test : test.skip)('docker-compose takes the files of every kind of machine, and says what it has not been told', () => {
  for (const files of MACHINES) expect(at(merged(files), 'services')).toBeDefined();
  const { MAESTRO_HOST: _, ...without } = SETTINGS;
  for (const files of MACHINES) expect(() => merged(files, without)).toThrow(/MAESTRO_HOST.*reach/s);
  const coordinator = merged(MACHINES[1]!);
  expect(listAt(coordinator, 'services', 'coordinator', 'ports').map(String).join()).toContain('10.0.0.4:7070:7070');
  expect(at(coordinator, 'volumes', 'maestro', 'driver_opts', 'o')).toContain('addr=10.0.0.2');
  expect(at(coordinator, 'services', 'worker', 'deploy', 'replicas')).toBe(0);
});

test('a worker on a machine of its own tells others the address at which it can be reached, and has variables that it knows', () => {
  const read = (file: string): unknown => parse(readFileSync(join(ROOT, file), 'utf8'));
  const worker = at(read(`${OVERLAYS}/worker-host.yml`), 'services', 'worker');
  const [port] = /\d+$/.exec(String(at(worker, 'environment', 'MAESTRO_COLLECTIVE_ADVERTISE')))!;
  expect(at(worker, 'environment', 'MAESTRO_COLLECTIVE_LISTEN')).toBe(`0.0.0.0:${port}`);
  expect(listAt(worker, 'ports')).toEqual([`\${MAESTRO_HOST}:${port}:${port}`]);
  const reference = readFileSync(join(ROOT, 'docs/reference/configuration.md'), 'utf8');
  const names = MACHINES.flat()
    .filter((file) => file.startsWith(OVERLAYS))
    .flatMap((file) => everywhere(read(file), 'environment').flatMap((environment) => Object.keys(environment as object)));
  expect(names.length).toBeGreaterThan(15);
  for (const name of names) expect(reference).toContain(`| \`${name}\` |`);
});
