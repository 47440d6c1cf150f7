import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openDataset } from '@maestro/data';
import { PACKED_SETS, packFixture } from './packFixture.ts';
import { fixtureUrl } from './readFixture.ts';

/** What Python's webdataset read: see make_webdataset_fixture.py. */
interface ReadByPython {
  readonly shards: Readonly<Record<string, string>>;
  readonly samples: readonly {
    readonly key: string;
    readonly fields: Readonly<Record<string, string>>;
    readonly array?: { readonly shape: readonly number[]; readonly type: string; readonly sha256: string };
    readonly class?: number;
  }[];
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-webdataset-'));
  await packFixture(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test.each(PACKED_SETS)("of the set of %s we read what Python's webdataset reads, from the same shards", async (name) => {
  const { shards, samples } = (JSON.parse(await readFile(fixtureUrl('webdataset.json'), 'utf8')) as Record<string, ReadByPython>)[name]!;
  const tars = (await readdir(join(dir, name))).filter((file) => file.endsWith('.tar')).sort();
  expect(tars.length).toBeGreaterThan(1);
  const packed = await Promise.all(tars.map(async (file) => [file, sha256(await readFile(join(dir, name, file)))]));
  expect(Object.fromEntries(packed)).toEqual(shards);

  const dataset = await openDataset({ format: 'webdataset', path: join(dir, name) });
  expect(samples.length).toBe(dataset.length);
  for (const [index, { key, fields, array, class: label }] of samples.entries()) {
    expect(key).toBe(String(index).padStart(9, '0'));
    expect(dataset.label(index)).toBe(label);
    const sample = await dataset.read(index);
    if (sample.kind === 'encoded') {
      const [image] = Object.entries(fields).filter(([field]) => field !== 'cls');
      expect(dataset.name(index).toLowerCase().endsWith(`.${image![0]}`)).toBe(true);
      expect(sha256(sample.bytes)).toBe(image![1]);
    } else if (sample.kind === 'pixels') {
      const { height, width, channels, data } = sample;
      expect({ shape: [height, width, channels], type: 'uint8', sha256: sha256(data) }).toEqual(array);
    } else throw new Error(`sample ${index} is broken: ${sample.reason}`);
  }
});
