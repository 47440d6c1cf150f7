import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';

/** The native libraries that a process has loaded once it has read `module`. */
async function librariesOf(module: string): Promise<string[]> {
  const url = new URL(module, import.meta.url).href;
  const script = `await import(${JSON.stringify(url)}); console.log(JSON.stringify(process.report.getReport().sharedObjects))`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (part) => {
    output += part;
  });
  await once(child, 'close');
  return JSON.parse(output) as string[];
}

const HEAVY = /sharp|libvips|onnxruntime|koffi/;

test('the command line loads neither images nor models nor networks before a command needs them', async () => {
  const libraries = await librariesOf('./program.js');
  expect(libraries.length).toBeGreaterThan(0);
  expect(libraries.filter((path) => HEAVY.test(path))).toEqual([]);
  // What does load them shows here.
  expect((await librariesOf('./checkpoint/drawReconstruction.js')).filter((path) => HEAVY.test(path)).length).toBeGreaterThan(1);
});
