import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createLogger } from '@maestro/telemetry';
import type { StepRow } from './history.ts';
import { openHistoryFile } from './historyFile.ts';

const row = (step: number, loss = 1): StepRow => ({ step, timeMs: step, images: 1, stepSeconds: 1, metrics: { loss, gradNorm: 1 } });

let dir: string;
let logged: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-history-'));
  logged = [];
});
afterEach(() => rm(dir, { recursive: true }));
const open = (most?: number, path = join(dir, 'jobs', 'a', 'history.jsonl')) =>
  openHistoryFile(path, {
    log: createLogger({ role: 'test', destination: { write: (line) => logged.push(line) } }),
    ...(most !== undefined && { most }),
  });
const steps = async (file = open()) => (await file.rows()).map(({ step }) => step);

describe('openHistoryFile', () => {
  test('a coordinator that starts again finds every step once, also those that were computed again', async () => {
    const first = open();
    for (const step of [1, 2, 3, 4]) first.add(row(step));
    await first.flush();
    const second = open();
    for (const step of [3, 4, 5]) second.add(row(step, 2));
    await second.flush();
    expect(await steps(second)).toEqual([1, 2, 3, 4, 5]);
    expect((await open().rows()).map(({ metrics }) => metrics['loss'])).toEqual([1, 1, 2, 2, 2]);
  });

  test('a line that was cut off costs its own step alone', async () => {
    const first = open();
    for (const step of [1, 2]) first.add(row(step));
    await first.flush();
    const path = join(dir, 'jobs', 'a', 'history.jsonl');
    await appendFile(path, '[3,3,1,');
    const second = open();
    second.add(row(4));
    await second.flush();
    expect(await steps()).toEqual([1, 2, 4]);
    expect((await readFile(path, 'utf8')).split('\n').filter(Boolean)).toHaveLength(3);
  });

  test('what an older version wrote is read, and goes on in the form of this one', async () => {
    const path = join(dir, 'jobs', 'a', 'history.jsonl');
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, '[1,1000,0.5,0.001,2,64,0.25]\n[2,2000,0.4,0.002,3,64,0.5]\n');
    const file = open();
    file.add(row(3));
    await file.flush();
    const former = { step: 1, timeMs: 1000, images: 64, stepSeconds: 0.25, metrics: { loss: 0.5, learningRate: 0.001, gradNorm: 2 } };
    const rows = await open().rows();
    expect(rows[0]).toEqual(former);
    expect(rows.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(rows[2]).toEqual(row(3));
  });

  test('the file stays bounded', async () => {
    const file = open(64);
    for (let step = 1; step <= 2000; step++) {
      file.add(row(step));
      if (step % 10 === 0) await file.flush();
    }
    await file.flush();
    const lines = (await readFile(join(dir, 'jobs', 'a', 'history.jsonl'), 'utf8')).split('\n').filter(Boolean);
    expect(lines.length).toBeLessThanOrEqual(128);
    expect((await steps(open(64))).at(-1)).toBe(2000);
  });

  test('a disk that fails is told once, and what it missed is written when it works again', async () => {
    const blocker = join(dir, 'blocked');
    await writeFile(blocker, '');
    const file = open(64, join(blocker, 'history.jsonl'));
    for (const step of [1, 2, 3]) {
      file.add(row(step));
      await file.flush();
    }
    expect(logged.filter((line) => line.includes('could not be written'))).toHaveLength(1);
    await rm(blocker);
    file.add(row(4));
    await file.flush();
    expect(await steps(open(64, join(blocker, 'history.jsonl')))).toEqual([1, 2, 3, 4]);
  });
});
