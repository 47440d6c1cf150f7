import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import type { Job } from '@maestro/protocol';
import { jobTable } from '../job/jobTable.ts';
import { forTerminal, printable, printableLines } from './printResult.ts';

/** Sets the title, clears the screen, begins a line of its own, uses C1's CSI, and shows text backwards. */
const HOSTILE = 'a\x1b]0;title\x07\x1b[2J\nfake line\r\tb\x9b31m\u202egpj';
// biome-ignore lint/suspicious/noControlCharactersInRegex: what no terminal is to get
const HARMFUL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/;

test('what moves a cursor, begins a line or turns text around is taken out of names and messages', () => {
  expect(printable(HOSTILE)).toBe('a?]0;title??[2J\\nfake line? b?31m?gpj');
  expect(printableLines('one\n\x1b[2Jtwo')).toBe('one\n?[2Jtwo');
  expect(printable('Bilder/Größe 日本語 🎉.png')).toBe('Bilder/Größe 日本語 🎉.png');
});

test('every string of a value is cleaned, names of fields too, and nothing else changes', () => {
  const date = new Date(0);
  expect(forTerminal({ a: [HOSTILE, 1, null, { [HOSTILE]: true }], date })).toEqual({
    a: [printable(HOSTILE), 1, null, { [printable(HOSTILE)]: true }],
    date,
  });
  const job = {
    id: 'job-1',
    name: HOSTILE,
    state: 'queued',
    message: HOSTILE,
    progress: null,
    members: [],
    conditions: [],
    specJson: '{}',
  } as unknown as Job;
  const table = jobTable([forTerminal(job)]);
  expect(table).not.toMatch(HARMFUL);
  expect(table.split('\n')).toHaveLength(2);
});

test('a command shows a file with a hostile name as one harmless line, and tells its exact name as JSON', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-hostile-'));
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, [main, 'dataset', 'inspect', dir, '--sample', '2', ...args]).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
  try {
    const name = `${HOSTILE}.png`;
    await writeFile(join(dir, name), 'no image');
    await writeFile(join(dir, 'other.png'), 'no image');
    const { stdout, stderr } = await run();
    expect(stdout + stderr).toContain(printable(name));
    expect(stdout + stderr).not.toMatch(HARMFUL);
    expect(JSON.stringify(JSON.parse((await run('--json')).stdout))).toContain(JSON.stringify(name).slice(1, -1));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
