import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const RUN = `
const { runModel } = await import(${JSON.stringify(new URL('./index.js', import.meta.url).href)});
await runModel(new Uint8Array(10), {}).catch(() => undefined);
`;

test('ONNX Runtime keeps and sends nothing about its use', async () => {
  const home = await mkdtemp(join(tmpdir(), 'maestro-home-'));
  try {
    const { ORT_DISABLE_TELEMETRY: _left, ...others } = process.env;
    const env = { ...others, HOME: home, XDG_CACHE_HOME: join(home, '.cache') };
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', RUN], { env });
    expect(await readdir(home)).toEqual([]);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
