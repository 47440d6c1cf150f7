import { expect, test } from '@jest/globals';
import { verifyText } from './verifyText.ts';

const sound = {
  dir: '/c/step-00000200',
  valid: true,
  problems: [],
  extraFiles: [],
  step: 200,
  checkpointHash: 'ab'.repeat(32),
  sizeBytes: 33_101_234,
  files: [
    { name: 'model.safetensors', sizeBytes: 33_100_000, sha256: '01'.repeat(32), valid: true },
    { name: 'state.json', sizeBytes: 1234, sha256: '23'.repeat(32), valid: true },
  ],
  writtenAt: '2026-01-01T00:00:00.000Z',
};

test('what was checked is listed file by file, with the outcome at the end', () => {
  expect(verifyText(sound).split('\n')).toEqual([
    '/c/step-00000200',
    `FILE                    BYTES  SHA-256 IN MANIFEST${' '.repeat(45)}  FOUND`,
    `model.safetensors  33 100 000  ${'01'.repeat(32)}  as written`,
    `state.json              1 234  ${'23'.repeat(32)}  as written`,
    `checkpoint hash ${'ab'.repeat(32)}: matches the tensors`,
    'valid: step 200, 2 files, 33.1 MB, every byte read',
  ]);
});

test('what is wrong is told file by file, and the last line says so', () => {
  const [model, state] = sound.files;
  const text = verifyText({
    ...sound,
    valid: false,
    problems: [{ file: 'state.json', message: 'has SHA-256 45, the manifest says 23' }],
    files: [model!, { ...state!, valid: false }],
  });
  expect(text).toContain(`${'23'.repeat(32)}  DIFFERS`);
  expect(text.split('\n').slice(-2)).toEqual([
    'state.json has SHA-256 45, the manifest says 23',
    'INVALID: do not use it; `maestro checkpoint ls` shows which are valid',
  ]);
});
