import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileOf } from '../support/repository.ts';
import { referencePages } from './reference.ts';
import { servedOpenApi } from './servedOpenApi.ts';

/** `npm run docs`: writes the pages of docs/reference that come from code. */
for (const [path, text] of Object.entries(await referencePages(await servedOpenApi()))) {
  await mkdir(dirname(fileOf(path)), { recursive: true });
  await writeFile(fileOf(path), text);
  process.stdout.write(`${path}\n`);
}
