import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from './index.ts';

const PACKAGE = new URL('./index.js', import.meta.url).href;
const dir = mkdtempSync(join(tmpdir(), 'maestro-full-log-'));

/** Why no small file system can be mounted here; undefined when one can. */
const lack = (() => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir], { stdio: 'pipe' });
    execFileSync('umount', [dir]);
    return undefined;
  } catch {
    return 'mounting a tmpfs needs root';
  }
})();
/** Skips with the reason in the test's name. */
const testOnDisk = (name: string, run: () => Promise<void>) =>
  lack === undefined ? test(name, run) : test.skip(`${name} (skipped: ${lack})`, run);
beforeAll(() => {
  if (lack === undefined) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir]);
});
afterEach(() => rmSync(join(dir, 'ballast'), { force: true }));
afterAll(() => {
  if (lack === undefined) execFileSync('umount', ['-l', dir]); // the logger keeps its file open
  rmdirSync(dir);
});

function fill(): void {
  const { bavail, bsize } = statfsSync(dir);
  writeFileSync(join(dir, 'ballast'), Buffer.alloc(bavail * bsize));
}
const linesOf = (file: string): Record<string, unknown>[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

testOnDisk('a full disk stops no one who logs: lines wait, then are dropped and counted, and it says so when there is room', async () => {
  const file = join(dir, 'made', 'a.log');
  const logger = createLogger({ role: 'test', destination: { file } });
  logger.info('before');
  fill();
  const LINES = 5000;
  for (let line = 0; line < LINES; line++) logger.info({ line }, 'meanwhile');
  await logger.flush();
  rmSync(join(dir, 'ballast'));
  logger.info('after');
  await new Promise((resolve) => setImmediate(resolve));
  const lines = linesOf(file);
  const kept = lines.filter(({ msg }) => msg === 'meanwhile').map(({ line }) => line);
  const told = lines.find(({ msg }) => msg === 'the log is written again')!;
  expect(lines[0]!.msg).toBe('before');
  expect(kept).toEqual(Array.from(kept, (_, line) => line));
  expect(kept.length).toBeGreaterThan(500);
  expect(told).toMatchObject({ level: 'warn', role: 'test', pid: process.pid, reason: expect.stringContaining('ENOSPC') });
  expect((told.dropped as number) + kept.length + lines.filter(({ msg }) => msg === 'after').length).toBe(LINES + 1);
  logger.info('later');
  expect(linesOf(file).at(-1)!.msg).toBe('later');
  rmSync(file);
});

testOnDisk('a service whose output is a full disk ends as it would with room: not by its log', async () => {
  for (const { body, code } of [
    { body: `process.emitWarning('one'); for (let i = 0; i < 2000; i++) logger.info({ i }, 'line');`, code: 0 },
    { body: `void Promise.reject(new Error('a bug')); await new Promise(() => setInterval(() => {}, 1000));`, code: 1 },
    { body: `throw new Error('no device');`, code: 1 },
  ]) {
    fill();
    const output = openSync(join(dir, 'b.log'), 'a');
    const script = `import { createLogger, runService } from '${PACKAGE}';
      const logger = createLogger({ role: 'test' });
      await runService(async (signal) => { ${body} }, { logger });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', output, output] });
    closeSync(output);
    expect(await once(child, 'exit')).toEqual([code, null]);
    rmSync(join(dir, 'ballast'));
  }
});

test('a reader that leaves stops no one who logs', async () => {
  const script = `import { createLogger, runService } from '${PACKAGE}';
    const logger = createLogger({ role: 'test' });
    await runService(async () => {
      for (let i = 0; i < 5000; i++) { logger.info({ i }, 'line'); if (i % 1000 === 0) await new Promise((r) => setTimeout(r, 5)); }
    }, { logger });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', () => child.stdout.destroy());
  expect(await once(child, 'exit')).toEqual([0, null]);
});
