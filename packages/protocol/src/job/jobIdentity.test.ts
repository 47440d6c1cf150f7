import { expect, test } from '@jest/globals';
import { specDifferences } from './jobIdentity.ts';
import { parseJobSpec } from './jobSpec.ts';

test('what differs between two job files has the keys that a job file has', () => {
  const schedule = { steps: 10 };
  const there = parseJobSpec({ data: { format: 'webdataset', path: '/a' }, schedule });
  const here = parseJobSpec({
    data: { format: 'idx', path: '/b' },
    schedule: { steps: 12 },
    resources: { virtualRanks: 16, device: 'cuda', allowMixedDevices: true },
  });
  expect(specDifferences(there, here)).toEqual([
    'schedule.steps: 10 there, 12 here',
    'data.format: "webdataset" there, "idx" here',
    'data.holdOut: 0.01 there, nothing here',
    'data.split: nothing there, "train" here',
    'resources.virtualRanks: 8 there, 16 here',
    'resources.device: "cpu" there, "cuda" here',
    'resources.allowMixedDevices: nothing there, true here',
  ]);
  expect(specDifferences(there, there)).toEqual([]);
});
