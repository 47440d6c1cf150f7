import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { MaestroError } from '@maestro/protocol';
import { createLogger, type LoggerOptions } from './index.ts';

/** A logger and the parsed lines it has written. */
function capture(options: Partial<LoggerOptions> = {}) {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ role: 'worker', ...options, destination: { write: (line) => lines.push(JSON.parse(line)) } });
  return { logger, lines };
}

test('a line is one JSON object with level, ISO time, role, worker, bindings, fields and the phrase', () => {
  const { logger, lines } = capture({ worker: 'a', build: '1.2' });
  logger.info({ step: 812, loss: 0.5 }, 'step committed');
  logger.warn('queue is full');
  expect(lines).toEqual([
    {
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      pid: process.pid,
      role: 'worker',
      worker: 'a',
      build: '1.2',
      step: 812,
      loss: 0.5,
      msg: 'step committed',
    },
    { level: 'warn', time: expect.any(String), pid: process.pid, role: 'worker', worker: 'a', build: '1.2', msg: 'queue is full' },
  ]);
});

test('children add fields to those of their parents, and siblings share nothing', () => {
  const { logger, lines } = capture();
  const job = logger.child({ job: 'j1' });
  const generation = job.child({ generation: 3 });
  generation.info('view formed');
  job.child({ generation: 4 }).info('view formed');
  expect(lines.map(({ job, generation }) => [job, generation])).toEqual([
    ['j1', 3],
    ['j1', 4],
  ]);
});

test('lines below the level are not written, and the level can be changed while running', () => {
  const { logger, lines } = capture({ level: 'warn' });
  logger.info('not seen');
  logger.level = 'debug';
  logger.debug('seen');
  expect(logger.level).toBe('debug');
  expect(lines.map(({ msg }) => msg)).toEqual(['seen']);
});

test('an error is logged with its code, details, stack and chain of causes, and a circular chain ends', () => {
  const { logger, lines } = capture();
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  logger.error({ error: new MaestroError('redis-unavailable', 'redis is away', { cause, details: { port: 6379 } }) }, 'failed');
  expect(lines[0]!.error).toMatchObject({
    name: 'MaestroError',
    code: 'redis-unavailable',
    message: 'redis is away',
    details: { port: 6379 },
    stack: expect.stringContaining('logger.test'),
    cause: { name: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
  });
  const circular = new Error('loop');
  circular.cause = circular;
  logger.error({ error: circular }, 'failed');
  logger.error({ error: 'only text' }, 'failed');
  expect(lines[2]!.error).toEqual({ message: 'only text' });
});

test('lines appended to a file are all there after a flush', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'maestro-log-'));
  try {
    const file = join(folder, 'logs', 'worker.log');
    const logger = createLogger({ role: 'worker', destination: { file } });
    for (let step = 0; step < 100; step++) logger.info({ step }, 'step committed');
    await logger.flush();
    const steps = (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).step);
    expect(steps).toEqual(Array.from({ length: 100 }, (_, step) => step));
  } finally {
    await rm(folder, { recursive: true });
  }
});
