import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MaestroError } from '@maestro/protocol';
import { createLogger } from '@maestro/telemetry';
import { type LastCheckpointOptions, writeLastCheckpoint } from './lastCheckpoint.ts';

let dir: string;
let failures: string[];
let signs: number;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-last-'));
  failures = [];
  signs = 0;
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A file in the way of the folder that is to be written. */
const inTheWay = (): string => join(dir, 'checkpoints');

function write(options: Partial<LastCheckpointOptions> = {}): Promise<void> {
  return writeLastCheckpoint({
    write: () =>
      mkdir(join(inTheWay(), 'step'), { recursive: true }).then(
        () => undefined,
        (cause: unknown) => Promise.reject(new MaestroError('storage', 'no room', { cause })),
      ),
    onFailed: ({ code }) => failures.push(code),
    onWaiting: () => signs++,
    logger: createLogger({ role: 'worker', level: 'silent' }),
    signal: new AbortController().signal,
    delayMs: () => 5,
    ...options,
  });
}

test('a disk that refuses is asked again until it does not, and each refusal is told', async () => {
  await writeFile(inTheWay(), '');
  await write({
    onFailed: ({ code }) => {
      failures.push(code);
      if (failures.length === 3) void rm(inTheWay());
    },
  });
  expect(failures.slice(0, 3)).toEqual(['storage', 'storage', 'storage']);
  expect(signs).toBe(failures.length);
});

test('it is given up after its patience, with the last refusal', async () => {
  await writeFile(inTheWay(), '');
  await expect(write({ patienceMs: 40 })).rejects.toMatchObject({ code: 'storage' });
  expect(failures.length).toBeGreaterThan(0);
  await expect(write({ patienceMs: 4 })).rejects.toMatchObject({ code: 'storage' });
});

test('whoever waits for the disk can be told to stop, and another error is not tried again', async () => {
  await writeFile(inTheWay(), '');
  const aborter = new AbortController();
  const reason = new MaestroError('cancelled', 'asked');
  await expect(write({ delayMs: () => 60_000, signal: aborter.signal, onWaiting: () => aborter.abort(reason) })).rejects.toBe(reason);
  const other = new MaestroError('non-finite', 'no number');
  await expect(write({ write: () => Promise.reject(other) })).rejects.toBe(other);
});
