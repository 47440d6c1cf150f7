import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ENVIRONMENT } from '@maestro/protocol';
import { fileOf } from '../support/repository.ts';
import { referencePages } from './reference.ts';
import { servedOpenApi } from './servedOpenApi.ts';

test('docs/reference says what the code does; `npm run docs` brings it up to date', async () => {
  for (const [path, text] of Object.entries(await referencePages(await servedOpenApi()))) {
    expect({ path, text: await readFile(fileOf(path), 'utf8') }).toEqual({ path, text });
  }
}, 60_000);

test('every variable that a process reads is in the reference, and no other', async () => {
  const used = new Set<string>();
  for (const folder of ['packages', 'services']) {
    for (const name of await readdir(fileOf(folder))) {
      const files = await readdir(join(fileOf(folder), name, 'src'), { recursive: true });
      for (const file of files.filter((each) => each.endsWith('.ts') && !each.endsWith('.test.ts') && each !== 'environment.ts')) {
        const text = await readFile(join(fileOf(folder), name, 'src', file), 'utf8');
        for (const [found] of text.matchAll(/\bMAESTRO_[A-Z0-9_]*[A-Z0-9]\b/g)) used.add(found);
      }
    }
  }
  used.delete('MAESTRO_BENCH_MEMORY');
  expect([...used].sort()).toEqual(ENVIRONMENT.map(({ name }) => name).sort());
});
