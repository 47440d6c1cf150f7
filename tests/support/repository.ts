import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../../', import.meta.url);

/** Where a file of the repository is, by its path in it; the repository itself for `.`. */
export const fileOf = (path: string): string => fileURLToPath(new URL(path, ROOT));
