import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { withoutVariables } from './scrubEnvironment.ts';

const SECRET = 'hunter2-hunter2-hunter2';

test('secrets are gone from /proc/PID/environ, and stay in process.env; other variables are as they were', async () => {
  if (process.platform !== 'linux') return;
  const script = `import { scrubEnvironment } from ${JSON.stringify(new URL('./scrubEnvironment.js', import.meta.url).href)};
    const done = scrubEnvironment();
    const { MAESTRO_TOKENS, MAESTRO_TOKEN, REDIS_URL, MAESTRO_DEVICE } = process.env;
    console.log(JSON.stringify({ done, MAESTRO_TOKENS, MAESTRO_TOKEN, REDIS_URL, MAESTRO_DEVICE }));
    setInterval(() => {}, 1000);`;
  const env = {
    PATH: process.env['PATH'],
    MAESTRO_TOKENS: `me:admin:${SECRET}\nyou:read:${SECRET}2`,
    MAESTRO_DEVICE: 'cpu',
    REDIS_URL: `redis://:${SECRET}@host`,
    MAESTRO_TOKEN: SECRET,
  };
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [output] = await once(child.stdout, 'data');
    const { PATH, ...rest } = env;
    expect(JSON.parse(String(output))).toEqual({ done: true, ...rest });
    const shown = await readFile(`/proc/${child.pid}/environ`, 'latin1');
    expect(shown).not.toContain('hunter2');
    expect(shown).toContain(`PATH=${PATH}\0`);
    expect(shown).toContain('MAESTRO_DEVICE=cpu\0');
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

test('a child is not given what it need not know', () => {
  expect(withoutVariables({ MAESTRO_TOKENS: 'a', REDIS_URL: 'b', PATH: 'c' })).toEqual({ PATH: 'c' });
  expect(withoutVariables({ MAESTRO_TOKENS: 'a', REDIS_URL: 'b' }, ['REDIS_URL'])).toEqual({ MAESTRO_TOKENS: 'a' });
});
