import { expect, test } from '@jest/globals';
import type { Job } from '@maestro/protocol';
import { glance, headlineColumn, metricsLine, resultsLine } from './toldMetrics.ts';

const job = (recipe: string, metrics: Record<string, number>, firstMetrics = metrics): Job =>
  ({ specJson: JSON.stringify({ recipe }), progress: { images: 8, metrics, firstMetrics } }) as unknown as Job;
const pretrain = job('mae-pretrain', { loss: 0.51234, learningRate: 1e-3, gradNorm: 1.25 }, { loss: 2 });

test('a job is told by what its recipe names, in its order and units', () => {
  expect(glance(pretrain)).toEqual(['loss 0.5123', 'lr 1.00e-3']);
  expect(metricsLine(pretrain)).toEqual({ label: 'Loss', text: '0.512340 (first 2.000000), lr 1.000e-3, gradient norm 1.250' });
});

test('a job that told no metric is told by none, before its first step and after', () => {
  for (const none of [job('knn', {}), job('mae-pretrain', {}), { ...pretrain, progress: null }]) {
    expect([glance(none), metricsLine(none)]).toEqual([[], undefined]);
  }
});

test('a recipe that only the coordinator knows has its metrics by their names', () => {
  const foreign = job('restore', { psnr: 21.5, own: 3 });
  expect(glance(foreign)).toEqual(['psnr 21.5000', 'own 3.0000']);
  expect(metricsLine(foreign)).toEqual({ label: 'psnr', text: '21.500000 (first 21.500000), own 3.000' });
});

test('a list has the name of the metric in its head where that is one for all, else beside each number', () => {
  expect(headlineColumn([])).toEqual({ title: 'LOSS', cells: [] });
  expect(headlineColumn([pretrain, job('knn', {})])).toEqual({ title: 'LOSS', cells: ['0.5123', '-'] });
  expect(headlineColumn([pretrain, job('restore', { psnr: 21.5 })])).toEqual({ title: 'METRIC', cells: ['loss 0.5123', 'psnr 21.5000'] });
});

test('results are told as their recipe has them, those of an unknown recipe by their names', () => {
  const results = { knnAccuracy: 0.4633, testSamples: 300, trainSamples: 1000, classes: 4, checkpointStep: 20 };
  const of = (recipe: string) => ({ specJson: JSON.stringify({ recipe }), results });
  expect(resultsLine(of('knn'))).toBe('k-NN accuracy 46.33 % (300 test samples), Training samples 1000 (4 classes), Checkpoint of step 20');
  expect(resultsLine({ ...of('other'), results: { recall: 0.5 } })).toBe('recall 0.5000');
  expect(resultsLine({ ...of('knn'), results: {} })).toBeUndefined();
});
