import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createLogger } from '@maestro/telemetry';
import type { StepRow } from './history.ts';
import { openHistoryFile } from './historyFile.ts';

const row = (step: number, loss = 1): StepRow => ({ step, timeMs: step, loss, learningRate: 1, gradNorm: 1, images: 1, stepSeconds: 1 });

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
    expect((await open().rows()).map(({ loss }) => loss)).toEqual([1, 1, 2, 2, 2]);
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
