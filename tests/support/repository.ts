import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../../', import.meta.url);

/** Returns the path of a file of the repository; `.` is the repository itself. */
export const fileOf = (path: string): string => fileURLToPath(new URL(path, ROOT));
