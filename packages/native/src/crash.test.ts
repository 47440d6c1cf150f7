import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { prepareNative } from './openNative.ts';

const library = await prepareNative();
const onLibrary = library === undefined ? test.skip : test;

/** Runs a script in a process of its own that has the library open. */
function crash(script: string) {
  const index = new URL('./index.js', import.meta.url).href;
  const text = `
    import koffi from ${JSON.stringify(import.meta.resolve('koffi'))};
    import { holdLibrary } from ${JSON.stringify(index)};
    const library = holdLibrary(koffi, ${JSON.stringify(library!.path)});
    library.func('void maestro_watch_crashes()')();
    const run = library.func('const char *maestro_run(const char *, void *, float, void *, void *, void *, void *)');
    ${script}`;
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  return spawnSync(process.execPath, ['--input-type=module', '-e', text], { cwd, encoding: 'utf8', timeout: 120_000 });
}

onLibrary('a crash in an operator names it, its shapes and the instruction set, and ends the process as crashes do', () => {
  const { signal, stderr } = crash(`
    const tensors = [[2, 4, 8], [2, 2, 8], [1, 2]].flatMap((words) => [...words, 0, 0, 0, 0, 0, 0].slice(0, 7)).map(BigInt);
    const nowhere = BigUint64Array.of(8n, 8n, 8n);
    run('LinearF32', new BigInt64Array(3), 1e-6, nowhere, BigInt64Array.from(tensors), nowhere, new BigInt64Array(7));
    console.error('it went on');`);
  expect(signal).toBe('SIGSEGV');
  expect(stderr).toBe(`\nmaestro: SIGSEGV in the native operator LinearF32 of [4,8], [2,8], [2] on ${library!.isa}\n`);
});

onLibrary('faults that are not of an operator go to whom they went before', () => {
  // Out of bounds in WebAssembly: Node's engine makes an error of the fault.
  const wasm = crash(`
    const bytes = Buffer.from('0061736d010000000105016000017f030201000503010001070801046c6f616400000a0c010a0041ffffff072802000b', 'hex');
    try {
      new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.load();
    } catch (error) { console.log(error.name); }`);
  expect(wasm).toMatchObject({ status: 0, signal: null, stdout: 'RuntimeError\n' });
  expect(crash("process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1000);").signal).toBe('SIGSEGV');
});
