import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { channelOptions } from '../wire/grpc.ts';
import { readEnvironment } from './readEnvironment.ts';
import { readTls } from './tls.ts';

test('a variable that is empty or blank is not set', () => {
  expect(readEnvironment({ REDIS_URL: '', MAESTRO_WORKER_NAME: ' \n', MAESTRO_DEVICE: 'cpu', NONE: undefined })).toEqual({
    MAESTRO_DEVICE: 'cpu',
  });
  expect(readTls({ MAESTRO_TLS_CERT: '', MAESTRO_TLS_KEY: ' ', MAESTRO_TLS_CA: '' })).toBeUndefined();
});

test('a proxy for web pages is none for gRPC, unless gRPC’s own variable asks for it', () => {
  expect(channelOptions({ http_proxy: 'http://127.0.0.1:1', https_proxy: 'http://127.0.0.1:1' })['grpc.enable_http_proxy']).toBe(0);
  expect(channelOptions({ grpc_proxy: 'http://127.0.0.1:1' })['grpc.enable_http_proxy']).toBe(1);
});

const REPOSITORY = fileURLToPath(new URL('../../../..', import.meta.url));

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(join(REPOSITORY, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !['node_modules', 'dist', 'testing'].includes(entry.name)) yield* sources(path);
    else if (/\.(ts|mjs)$/.test(entry.name) && !/\.test\.ts$/.test(entry.name)) yield path;
  }
}

test('no source reads a variable past it: what is empty would count as set', () => {
  const past = [...sources('packages'), ...sources('services')].flatMap((path) =>
    readFileSync(join(REPOSITORY, path), 'utf8')
      .split('\n')
      .filter((line) => /process\.env(\[|\.[A-Z])/.test(line) && !/^\s*(\/\/|\*|delete )/.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
  // To set one for this process and its children is no reading.
  expect(past.filter((line) => !/scrubEnvironment\.ts|noTelemetry\.ts|processIdentity\.ts/.test(line))).toEqual([]);
});
