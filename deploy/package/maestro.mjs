#!/usr/bin/env node
// The `maestro` of the npm package: the command line, with a Redis for the commands that start one, and the native operators for those that
// compute.
// This file keeps to old syntax, so that an old Node can say which Node is wanted.
import { readFileSync } from 'node:fs';

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const least = engines.node
  .replace(/[^0-9.]/g, '')
  .split('.')
  .map(Number);
const own = process.versions.node.split('.').map(Number);
if (own[0] < least[0] || (own[0] === least[0] && own[1] < least[1])) {
  process.stderr.write(`maestro: needs Node ${engines.node}, this is ${process.version} (${process.execPath}): https://nodejs.org\n`);
  process.exit(1);
}
const isHelp = process.argv.some((arg) => arg === '--help' || arg === '-h');
try {
  if (['up', 'demo'].includes(process.argv[2]) && !isHelp && !process.env.REDIS_URL) {
    const { findRedis, installRedis } = await import('../lib/deploy/setup/redis.mjs');
    if (findRedis() === undefined) await installRedis();
    process.env.MAESTRO_REDIS_SERVER = findRedis();
  }
  if (['up', 'demo', 'worker', 'doctor'].includes(process.argv[2]) && !isHelp) {
    const { buildNative, hasNative } = await import('../lib/deploy/setup/native.mjs');
    if (!hasNative()) await buildNative();
  }
  await import('../lib/services/cli/dist/main.js');
} catch (error) {
  if (error.name !== 'SetupError') throw error;
  process.stderr.write(`maestro: ${error.message}\n`);
  process.exitCode = 1;
}
