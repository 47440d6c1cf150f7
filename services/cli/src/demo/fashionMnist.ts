import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { access, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorMessage, MaestroError } from '@maestro/protocol';

const run = promisify(execFile);

const PACKAGE = 'dataset-fashion-mnist';
/** Folder of the files in Debian's package. */
const PACKAGE_DIR = 'usr/share/datasets/fashion-mnist';
/** The data set's own address (Xiao, Rasul & Vollgraf 2017, arXiv 1708.07747; MIT licence). */
const PUBLIC_URL = 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com';
const FILES = ['train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz', 't10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz'];
const DOWNLOAD_TIMEOUT_MS = 120_000;

/**
 * Returns the folder with Fashion-MNIST's four IDX files: the installed Debian package, or an earlier copy in `cacheDir`, or a fresh one
 * from Debian's package (unpacked, not installed: needs no root) or from the data set's public address.
 *
 * @param note is called, with a sentence, for what takes time.
 * @throws MaestroError `unavailable` with every way that was tried and how it failed.
 */
export async function fashionMnist(cacheDir: string, note: (text: string) => void): Promise<string> {
  const target = join(cacheDir, 'fashion-mnist');
  for (const dir of [`/${PACKAGE_DIR}`, target]) if (await isComplete(dir)) return dir;
  await mkdir(cacheDir, { recursive: true });
  const failures: string[] = [];
  for (const [name, fetchInto] of [
    ['Debian package', fromDebian],
    ['public files', fromPublicAddress],
  ] as const) {
    const partial = join(cacheDir, `.fashion-mnist-${randomUUID()}`);
    try {
      note(`getting Fashion-MNIST (30 MB, ${name})`);
      await mkdir(partial, { recursive: true });
      const files = await fetchInto(partial);
      await rm(target, { recursive: true, force: true });
      await rename(files, target);
      return target;
    } catch (error) {
      failures.push(`${name}: ${errorMessage(error).split('\n')[0]}`);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }
  throw new MaestroError(
    'unavailable',
    `could not download Fashion-MNIST (${failures.join('; ')}); put its four .gz files into ${target}, or train on your own images ` +
      'with --data DIR',
  );
}

async function fromDebian(dir: string): Promise<string> {
  const download = (options: readonly string[] = []) => run('apt-get', [...options, 'download', PACKAGE], { cwd: dir });
  await download().catch(async () => {
    // The system's package lists are missing or old, and may not be writable: use our own, and delete them afterwards.
    const options = ['-o', `Dir::State::lists=${join(dir, 'lists')}`, '-o', `Dir::Cache=${join(dir, 'cache')}`];
    await mkdir(join(dir, 'lists', 'partial'), { recursive: true });
    await mkdir(join(dir, 'cache', 'archives', 'partial'), { recursive: true });
    await run('apt-get', [...options, 'update']);
    await download(options);
  });
  const archive = (await readdir(dir)).find((name) => name.endsWith('.deb'));
  if (archive === undefined) throw new Error('apt-get download produced no file');
  await run('dpkg', ['-x', archive, '.'], { cwd: dir });
  return join(dir, PACKAGE_DIR);
}

async function fromPublicAddress(dir: string): Promise<string> {
  for (const file of FILES) {
    const response = await fetch(`${PUBLIC_URL}/${file}`, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
    if (!response.ok) throw new Error(`${file}: HTTP ${response.status}`);
    await writeFile(join(dir, file), new Uint8Array(await response.arrayBuffer()));
  }
  return dir;
}

async function isComplete(dir: string): Promise<boolean> {
  try {
    await Promise.all(FILES.map((file) => access(join(dir, file))));
    return true;
  } catch {
    return false;
  }
}
