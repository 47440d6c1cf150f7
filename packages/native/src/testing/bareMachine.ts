import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { NATIVE_SOURCES } from '../buildNative.ts';
import { NATIVE_OPERATORS } from '../operators.ts';
import { buildObjects, type DriverBuild, request } from './driver.ts';

const run = promisify(execFile);

/** Of Debian's packages isolinux and syslinux-common. */
const LOADER = [
  '/usr/lib/ISOLINUX/isolinux.bin',
  ...['ldlinux', 'libcom32', 'mboot'].map((it) => `/usr/lib/syslinux/modules/bios/${it}.c32`),
];
const BARE = join(NATIVE_SOURCES, 'test', 'bare');
const MODEL = 'sapphire_rapids';

/** Returns what of the emulator is missing, or undefined. It is Bochs of 3.0 or later, built with --enable-evex and --enable-amx. */
export function lacksEmulator(): string | undefined {
  const says = (program: string, ...args: readonly string[]): string => {
    const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    return `${stdout ?? ''}${stderr ?? ''}`;
  };
  if (!says('bochs', '--help', 'cpu').includes(MODEL)) return `bochs with the model ${MODEL}`;
  if (!says('xorriso', '--version').includes('xorriso')) return 'xorriso';
  return LOADER.find((file) => !existsSync(file));
}

/**
 * Runs all test vectors on an emulated processor, without an operating system, and returns the SHA-256 of what each operator gives, by
 * instruction set.
 * @throws Error with what the compiler or the emulator says.
 */
export async function hashesOnEmulated(
  folder: string,
  { compiler, sets }: Pick<DriverBuild, 'compiler' | 'sets'>,
): Promise<Record<string, Record<string, string>>> {
  const image = join(folder, 'image');
  await mkdir(image);
  await writeFile(join(folder, 'requests'), Buffer.concat(NATIVE_OPERATORS.map((operator) => request(operator))));
  await run('objcopy', ['-I', 'binary', '-O', 'elf64-x86-64', 'requests', 'requests.o'], { cwd: folder });
  await run(compiler, ['-c', join(BARE, 'boot.S'), '-o', join(folder, 'boot.o')]);
  // The stand-ins for a C library must not be compiled to calls of themselves.
  const flags = ['-O2', '-fno-pic', '-mcmodel=small', '-mno-red-zone', '-fno-stack-protector', '-fno-tree-loop-distribute-patterns'];
  const objects = await buildObjects(folder, { compiler, flags: [...flags, '-Dmain=driver_main'], sets }, [
    'test/driver.c',
    'test/bare/bare.c',
  ]);
  const program = join(folder, 'bare.elf');
  const all = [join(folder, 'boot.o'), ...objects, join(folder, 'requests.o')];
  await run('ld', ['-nostdlib', '-static', '--no-warn-rwx-segments', '-e', 'enter', '-T', join(BARE, 'link.ld'), '-o', program, ...all]);
  await run('objcopy', ['-O', 'binary', program, join(image, 'bare.bin')]);
  for (const file of LOADER) await copyFile(file, join(image, basename(file)));
  await writeFile(join(image, 'isolinux.cfg'), 'default bare\nlabel bare\nkernel mboot.c32\nappend bare.bin\n');
  const boot = ['-b', 'isolinux.bin', '-c', 'boot.cat', '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table'];
  await run('xorriso', ['-as', 'mkisofs', '-o', join(folder, 'boot.iso'), ...boot, image]);
  await writeFile(
    join(folder, 'bochsrc'),
    `cpu: model=${MODEL}, count=1, ips=100000000, reset_on_triple_fault=0
megs: 1024
romimage: file=$BXSHARE/BIOS-bochs-latest
vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest.bin
boot: cdrom
ata0-master: type=cdrom, path=${folder}/boot.iso, status=inserted
display_library: nogui
log: ${folder}/bochs.log
panic: action=fatal
port_e9_hack: enabled=1
`,
  );
  // A shutdown by the program counts as a failure.
  const { stdout, stderr } = await run('bochs', ['-q', '-unlock', '-f', join(folder, 'bochsrc')], {
    encoding: 'buffer',
    maxBuffer: 2 ** 28,
    timeout: 600_000,
  }).catch((error: { readonly stdout: Buffer; readonly stderr: Buffer }) => error);
  if (!stdout.includes('== end\n'))
    throw new Error(`the emulated machine did not come to its end: ${stdout.toString().slice(-200)}${stderr}`);
  return parse(stdout);
}

function parse(out: Buffer): Record<string, Record<string, string>> {
  const hashes: Record<string, Record<string, string>> = {};
  let at = out.indexOf('== ');
  for (;;) {
    const end = out.indexOf('\n', at);
    const name = out.toString('latin1', at + 3, end);
    at = end + 1;
    if (name === 'end') return hashes;
    const found: Record<string, string> = {};
    for (const { name: operator, outputs } of NATIVE_OPERATORS) {
      const hash = createHash('sha256');
      for (const _ of outputs) {
        const bytes = Number(out.readBigInt64LE(at));
        hash.update(out.subarray(at + 8, at + 8 + bytes));
        at += 8 + bytes;
      }
      found[operator] = hash.digest('hex');
    }
    hashes[name] = found;
  }
}
