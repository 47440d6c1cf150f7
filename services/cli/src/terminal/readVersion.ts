import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The repository, or `lib/` of the npm package. */
const ROOT = new URL('../../../../', import.meta.url);

/** Returns the version with the commit that it was built from: `0.1.0 (1a2b3c4d5e6f)`; a `+` means that the tree had changes. */
export function readVersion(): string {
  try {
    const { version, commit } = read('version.json') as { readonly version: string; readonly commit: string };
    return withCommit(version, commit);
  } catch {
    const { version } = read('package.json') as { readonly version: string };
    return withCommit(version, commitHere());
  }
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, ROOT), 'utf8'));
const withCommit = (version: string, commit: string): string => (commit === '' ? version : `${version} (${commit})`);

/** Returns the commit of this clone, with a `+` where the tree has changes; empty when it is none, or there is no git. */
export function commitHere(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: fileURLToPath(ROOT), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`;
  } catch {
    return '';
  }
}
