import { MaestroError } from '@maestro/protocol';

/** What a process in a container may be and do, as the `restricted` standard has it, with a read-only root. */
const EXPECTED = {
  isRoot: false,
  effective: '0000000000000000',
  bounding: '0000000000000000',
  noNewPrivileges: '1',
  seccomp: '2',
  refusedWrites: 2,
  isTmpWritable: true,
};

/** Looks from inside, by `exec`, whether a container is confined. @throws MaestroError `conflict` when it may more than it should. */
export async function requireConfined(name: string, exec: (command: readonly string[]) => Promise<string>): Promise<void> {
  const [uid, status] = [await exec(['id', '-u']), await exec(['cat', '/proc/self/status'])];
  const value = (field: string): string | undefined => new RegExp(`^${field}:\\s*(\\S+)`, 'm').exec(status)?.[1];
  const tried = 'touch /maestro-was-here /usr/maestro-was-here 2>&1; touch "$0/allowed" && echo done';
  // Redis has no /tmp, only its volume.
  const write = await exec(['sh', '-c', tried, name === 'redis' ? '/data' : '/tmp']);
  const found = {
    isRoot: uid.trim() === '0',
    effective: value('CapEff'),
    bounding: value('CapBnd'),
    noNewPrivileges: value('NoNewPrivs'),
    seccomp: value('Seccomp'),
    refusedWrites: write.match(/Read-only file system/g)?.length,
    isTmpWritable: write.endsWith('done\n'),
  };
  if (JSON.stringify(found) === JSON.stringify(EXPECTED)) return;
  throw new MaestroError('conflict', `${name}: found ${JSON.stringify(found)}, expected ${JSON.stringify(EXPECTED)}`);
}
