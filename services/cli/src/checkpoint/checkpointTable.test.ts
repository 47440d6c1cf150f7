import { expect, test } from '@jest/globals';
import { checkpointTable, type ExaminedCheckpoint } from './checkpointTable.ts';

const sound: ExaminedCheckpoint = {
  dir: '/c/step-00000200',
  valid: true,
  problems: [],
  extraFiles: [],
  step: 200,
  checkpointHash: 'ab'.repeat(32),
  sizeBytes: 1_333_700_000,
  files: [],
  writtenAt: '2026-01-01T00:00:00.000Z',
};

test('a table of checkpoints tells step, size, age, and the hash or what is wrong', () => {
  const checkpoints: ExaminedCheckpoint[] = [
    sound,
    { ...sound, step: 1000, extraFiles: ['notes.txt'] },
    {
      ...sound,
      valid: false,
      problems: [
        { file: 'model.safetensors', message: 'is missing' },
        { file: 'state.json', message: 'has 3 bytes, the manifest says 4' },
      ],
    },
    {
      ...sound,
      valid: false,
      step: undefined,
      sizeBytes: undefined,
      problems: [{ file: 'manifest.json', message: 'is missing' }],
    },
  ];
  expect(checkpointTable(checkpoints, Date.parse('2026-01-01T01:02:03.000Z')).split('\n')).toEqual([
    'STEP  SIZE    AGE      STATUS   HASH',
    `200   1.3 GB  1:02:03  valid    ${sound.checkpointHash}`,
    `1000  1.3 GB  1:02:03  valid    ${sound.checkpointHash} (files that do not belong to it: notes.txt)`,
    '200   1.3 GB  1:02:03  INVALID  model.safetensors is missing; state.json has 3 bytes, the manifest says 4',
    '?     -       1:02:03  INVALID  manifest.json is missing',
  ]);
});
