import { type ChildProcess, spawn } from 'node:child_process';
import { expect, test } from '@jest/globals';

const PACKAGE = new URL('./index.js', import.meta.url).href;

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly lines: readonly Record<string, unknown>[];
}

/** Runs `body` as the main function of a service in a process of its own; `onLine` sees each log line as it comes. */
function service(body: string, onLine: (phrase: unknown, child: ChildProcess) => void = () => undefined, options = ''): Promise<Ended> {
  const script = `import { createLogger, runService } from '${PACKAGE}';
    const logger = createLogger({ role: 'test' });
    await runService(async (signal) => { ${body} }, { logger, ${options} });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: Record<string, unknown>[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const part of parts) {
      lines.push(JSON.parse(part));
      onLine(lines.at(-1)!.msg, child);
    }
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, lines }));
  });
}

const phrases = ({ lines }: Ended) => lines.map(({ msg }) => msg);
const UNTIL_ABORTED = `await new Promise((resolve) => { const alive = setInterval(() => {}, 1000);
  signal.addEventListener('abort', () => { clearInterval(alive); resolve(); }); logger.info('ready'); });`;
const FOREVER = `setInterval(() => {}, 1000); logger.info('ready'); await new Promise(() => {});`;

test('a main that returns ends the process with code 0, whatever it left open', async () => {
  const ended = await service(`setInterval(() => {}, 1000); logger.info('working');`);
  expect([ended.code, phrases(ended)]).toEqual([0, ['working']]);
});

test('a main that throws is logged as fatal with its error and ends with code 1', async () => {
  const ended = await service(`throw new Error('no device');`);
  expect(ended.code).toBe(1);
  expect(ended.lines).toMatchObject([{ level: 'fatal', msg: 'failed', error: { message: 'no device' } }]);
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s aborts the signal that main holds, and main then ends cleanly', async (name) => {
  const ended = await service(`${UNTIL_ABORTED} logger.info({ why: signal.reason.message }, 'cleaned up');`, (phrase, child) => {
    if (phrase === 'ready') child.kill(name);
  });
  expect([ended.code, phrases(ended)]).toEqual([0, ['ready', 'stopping', 'cleaned up', 'stopped']]);
  expect(ended.lines[2]!.why).toBe(`stopped by ${name}`);
});

test('a main that lets the cancellation through ends cleanly too', async () => {
  const ended = await service(`${UNTIL_ABORTED} throw signal.reason;`, (phrase, child) => {
    if (phrase === 'ready') child.kill('SIGTERM');
  });
  expect([ended.code, phrases(ended)]).toEqual([0, ['ready', 'stopping', 'stopped']]);
});

test('a second signal ends a main that does not stop', async () => {
  const ended = await service(FOREVER, (phrase, child) => {
    if (phrase === 'ready') child.kill('SIGTERM');
    if (phrase === 'stopping') child.kill('SIGINT');
  });
  expect([ended.code, phrases(ended)]).toEqual([130, ['ready', 'stopping', 'second signal, exiting immediately']]);
});

test('a shutdown that takes too long is ended with the code of its signal', async () => {
  const ended = await service(
    FOREVER,
    (phrase, child) => {
      if (phrase === 'ready') child.kill('SIGTERM');
    },
    'shutdownTimeoutMs: 50',
  );
  expect([ended.code, phrases(ended)]).toEqual([143, ['ready', 'stopping', 'shutdown took too long, exiting immediately']]);
});

test.each([
  ['rejection', `void Promise.reject(new Error('lost')); ${FOREVER}`, 'unhandled rejection'],
  ['exception', `setImmediate(() => { throw new Error('lost'); }); ${FOREVER}`, 'uncaught exception'],
])('a %s that nobody caught is fatal', async (_, body, phrase) => {
  const ended = await service(body);
  expect(ended.code).toBe(1);
  expect(ended.lines.at(-1)).toMatchObject({ level: 'fatal', msg: phrase, error: { message: 'lost' } });
});
