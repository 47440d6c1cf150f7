import { expect, test } from '@jest/globals';
import { chosenKeys, GOALS } from './goals.ts';
import { isMet, peersJson, peersTable } from './peersTable.ts';

const RATIOS = {
  'step.fp32.tiny.1t': { ratio: 0.85, ours: 0.2041, peer: 0.24, pairs: 15, way: 'f32-compile' },
  'step.x3.tiny.1t': { ratio: null, pairs: 0, note: 'not there yet' },
  'memory.vitB.b4': { ratio: 1.9, ours: 3.8e9, peer: 2e9, pairs: 1 },
  'exposedCommunication.vitB.2w': { ratio: 0.04, pairs: 26 },
};

test('every key has the goal that was set', () => {
  expect(Object.fromEntries(Object.entries(GOALS).map(([key, { goal }]) => [key, goal]))).toEqual({
    'step.fp32.tiny.1t': 0.9,
    'step.fp32.tiny.2t': 0.9,
    'step.fp32.vitB.1t': 1,
    'step.fp32.vitB.2t': 1,
    'step.x3.tiny.1t': 0.65,
    'step.x3.tiny.2t': 0.65,
    'step.x3.vitB.1t': 0.7,
    'step.x3.vitB.2t': 0.7,
    'step.bf16.tiny.1t': 0.4,
    'step.bf16.tiny.2t': 0.4,
    'step.bf16.vitB.1t': 0.5,
    'step.bf16.vitB.2t': 0.5,
    'allreduce.2.4MB': 1,
    'allreduce.2.40MB': 1,
    'allreduce.2.440MB': 1,
    'allreduce.3.4MB': 1.2,
    'allreduce.3.40MB': 1.2,
    'allreduce.3.440MB': 1.2,
    'loader.jpeg': 0.9,
    'memory.vitB.b4': 1.1,
    'memory.vitB.b16': 1.1,
    'exposedCommunication.vitB.2w': 0.05,
  });
});

test('keys are chosen by name or by the beginning of it, in the order of the table', () => {
  expect(chosenKeys('memory,step.fp32.tiny')).toEqual(['step.fp32.tiny.1t', 'step.fp32.tiny.2t', 'memory.vitB.b4', 'memory.vitB.b16']);
  expect(chosenKeys('allreduce.2.4MB')).toEqual(['allreduce.2.4MB']);
  expect(chosenKeys(undefined)).toEqual(Object.keys(GOALS));
  expect(() => chosenKeys('step.fp64')).toThrow('--only step.fp64: no such key; there are step.fp32.tiny.1t,');
});

test('the last line has ratio, goal, both sides and pairs of every key', () => {
  expect(JSON.parse(peersJson(RATIOS))).toEqual({
    ratios: {
      'step.fp32.tiny.1t': { ratio: 0.85, goal: 0.9, ours: 0.2041, peer: 0.24, pairs: 15, way: 'f32-compile' },
      'step.x3.tiny.1t': { ratio: null, goal: 0.65, pairs: 0, note: 'not there yet' },
      'memory.vitB.b4': { ratio: 1.9, goal: 1.1, ours: 3.8e9, peer: 2e9, pairs: 1 },
      'exposedCommunication.vitB.2w': { ratio: 0.04, goal: 0.05, pairs: 26 },
    },
  });
  expect(peersJson(RATIOS)).not.toContain('\n');
});

test('the table says what is met, in readable units', () => {
  expect(peersTable(RATIOS).split('\n').slice(2)).toEqual([
    '| step.fp32.tiny.1t | 0.85 | 0.90 | met | 204 ms | 240 ms | 15 | f32-compile |',
    '| step.x3.tiny.1t | none | 0.65 |  |  |  | 0 | not there yet |',
    '| memory.vitB.b4 | 1.90 | 1.10 | missed | 3800 MB | 2000 MB | 1 |  |',
    '| exposedCommunication.vitB.2w | 0.040 | 0.05 | met |  |  | 26 |  |',
  ]);
  expect(isMet('step.fp32.tiny.1t', { ratio: 0.9, pairs: 1 })).toBe(true);
});
