import { access, chmod, chown, cp, mkdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import { runCommand } from './command.ts';

/** What a stand-in for a public image holds: programs of this machine with the libraries that they load. */
export interface StandIn {
  readonly image: string;
  /** Programs by where they are in the image, as names on PATH or as paths. */
  readonly programs: Readonly<Record<string, string>>;
  /** More files whose libraries are wanted. */
  readonly libraryUsers?: readonly string[];
  /** Folders and files of this machine, by where they are in the image. */
  readonly folders?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** What symbolic links say, by where they are. */
  readonly links?: Readonly<Record<string, string>>;
  /** A user beside root, with a folder of its own where it has one. */
  readonly user?: { readonly name: string; readonly id: number; readonly home?: string };
  /** Who its programs run as; root when left out. */
  readonly runAs?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Programs that build steps and entry points of the real images use. */
export const SHELL_PROGRAMS: Readonly<Record<string, string>> = Object.fromEntries(
  ['sh', 'cat', 'chown', 'env', 'find', 'grep', 'hostname', 'id', 'ldd', 'ls', 'mkdir', 'mv', 'rm', 'test', 'touch', 'tr'].map((name) => [
    `/bin/${name}`,
    name,
  ]),
);

/** Makes an image that stands in for a public one, under its name, in seconds and without a network. `dir` is for what it is made of. */
export async function importStandIn(
  dir: string,
  { image, programs, libraryUsers = [], folders = {}, files = {}, links = {}, user, runAs, env = {} }: StandIn,
): Promise<void> {
  const root = join(dir, 'root');
  await mkdir(join(root, 'tmp'), { recursive: true });
  await chmod(join(root, 'tmp'), 0o1777);
  const sources: string[] = [...libraryUsers];
  for (const [target, program] of Object.entries(programs)) {
    const source = await findProgram(program);
    sources.push(source);
    await copyFile(source, join(root, target));
  }
  for (const library of await librariesOf(sources)) await copyFile(library, join(root, library));
  for (const [target, source] of Object.entries(folders)) await cp(source, join(root, target), { recursive: true, verbatimSymlinks: true });
  for (const [target, source] of Object.entries(files)) await copyFile(source, join(root, target));
  for (const [target, text] of Object.entries(links)) await symlink(text, join(root, target));
  const accounts = [{ name: 'root', id: 0, home: '/root' }, ...(user === undefined ? [] : [user])];
  await mkdir(join(root, 'etc'), { recursive: true });
  await writeFile(
    join(root, 'etc/passwd'),
    accounts.map(({ name, id, home = '/' }) => `${name}:x:${id}:${id}::${home}:/bin/sh\n`).join(''),
  );
  await writeFile(join(root, 'etc/group'), accounts.map(({ name, id }) => `${name}:x:${id}:\n`).join(''));
  for (const { id, home } of accounts) {
    if (home === undefined) continue;
    await mkdir(join(root, home), { recursive: true });
    await chown(join(root, home), id, id);
  }
  const archive = join(dir, 'root.tar');
  await runCommand(['tar', '--create', '--file', archive, '--directory', root, '--numeric-owner', '.']);
  const variables = Object.entries({ PATH: '/usr/local/bin:/usr/bin:/bin', ...env }).map(
    ([name, value]) => `--change=ENV ${name}="${value}"`,
  );
  const changes = [...variables, ...(runAs === undefined ? [] : [`--change=USER ${runAs}`])];
  await runCommand(['docker', 'import', ...changes, archive, image]);
  await rm(dir, { recursive: true, force: true });
}

/** Where a program is. @throws MaestroError `unavailable` when this machine lacks it. */
export async function findProgram(program: string): Promise<string> {
  const candidates = program.includes('/')
    ? [program]
    : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, program));
  for (const candidate of [...candidates, ...(program.includes('/') ? [] : [join('/usr/sbin', program)])]) {
    const found = await access(candidate).then(
      () => realpath(candidate),
      () => undefined,
    );
    if (found !== undefined) return found;
  }
  throw new MaestroError('unavailable', `no ${program} on this machine to stand in with`);
}

/** The libraries, with the loader, that the files load; scripts load none. */
async function librariesOf(files: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const file of files) {
    const isElf = (await readFile(file)).subarray(0, 4).toString('latin1') === '\x7fELF';
    if (!isElf) continue;
    const said = await runCommand(['ldd', file]).catch(() => ''); // a static program is no failure of ours
    for (const [, path] of said.matchAll(/(?:=> |^\s*)(\/(?:usr\/)?lib\S+) \(0x/gm)) found.add(path!);
  }
  return [...found];
}

async function copyFile(source: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await cp(source, target, { dereference: true });
}
