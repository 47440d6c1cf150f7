import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openDataset } from '@maestro/data';
import { datasetText, inspectDataset } from './datasetReport.ts';

test('inspect prints the fingerprints that workers compare, under the share that a job holds out, and a line for each image', async () => {
  const path = await mkdtemp(join(tmpdir(), 'maestro-inspect-'));
  try {
    for (let n = 0; n < 20; n++) await writeFile(join(path, `${n}.png`), 'x'.repeat(100 + n));
    const list = join(path, 'list.txt');
    const report = await inspectDataset(path, { split: 'train', sample: 1, list, holdOut: 0.1 });
    const { fingerprint } = await openDataset({ format: 'image-folder', path, holdOut: 0.1 });
    expect(report.parts).toMatchObject({ holdOut: 0.1, training: { samples: 18, fingerprint }, heldOut: { samples: 2 } });
    expect(datasetText(report)).toContain(`Trained on:  18 with holdOut 0.1, fingerprint ${fingerprint}`);
    const lines = (await readFile(list, 'utf8')).trim().split('\n');
    expect(lines.length).toBe(20);
    expect(lines[0]).toMatch(/^[0-9a-f]{13} 100 0\.png$/);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
});
