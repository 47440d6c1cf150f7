import { expect, test } from '@jest/globals';
import { type DemoReport, type DemoSetting, reportText, verdict } from './report.ts';

const REPORT: DemoReport = {
  jobId: 'job-1',
  workers: 2,
  steps: 640,
  images: 40_960,
  trainSeconds: 103,
  lossFirst: 3.5867,
  lossLast: 0.1234,
  evalMaskedMseBefore: 0.9,
  evalMaskedMse: 0.0357,
  meanFillMse: 0.1085,
  knnBefore: 0.474,
  knnAfter: 0.689,
  imagesPerSecond: 400,
  checkpointHash: 'abc',
  checkpointPath: '/data/step-00000640',
  picture: '/data/reconstruction.png',
};
const SETTING: DemoSetting = {
  evaluatedOn: '1000 test images',
  knnTest: '1000 test images',
  classes: 10,
  defaultSteps: 640,
  isOwnData: false,
};

test('the end of the demo is a table with what each figure is of, and says in words that the model has learned', () => {
  const lines = reportText(REPORT, SETTING).split('\n');
  expect(lines.slice(1, 5)).toEqual([
    '                           UNTRAINED  TRAINED',
    '  training loss               3.5867   0.1234  first and last step',
    '  error on hidden patches     0.9000   0.0357  1000 test images; 0.1085 when filling in the mean of the visible pixels',
    '  k-NN accuracy               47.4 %   68.9 %  1000 test images; 10.0 % by chance',
  ]);
  expect(lines).toContain(
    'The model has learned: its error on hidden patches is 32.9 % of the baseline that fills in the mean of the visible pixels.',
  );
  expect(lines).toContain('Try next:');
});

test('a run that learned nothing says so, and what to do instead of what to try next', () => {
  const text = verdict({ ...REPORT, steps: 40, images: 2560, evalMaskedMse: 0.11 }, SETTING);
  expect(text).toEqual([
    'The model has learned nothing yet: its error on hidden patches is 101.4 % of the baseline that fills in the mean of the visible pixels.',
    '40 steps are too few. Train longer: run the demo without --steps (640 steps), about 1:42 at this speed.',
  ]);
});

test('where the usual number of steps taught nothing, four times as many are named, and the images as a cause', () => {
  const text = verdict({ ...REPORT, evalMaskedMse: 0.108 }, { ...SETTING, isOwnData: true });
  expect(text[1]).toBe('Train longer: run the demo with --steps 2560, about 6:50 at this speed.');
  expect(text[2]).toContain('dataset inspect');
});

test('images without labels have no accuracy, and a loss that is not a number is no success', () => {
  expect(reportText({ ...REPORT, knnBefore: null, knnAfter: null }, SETTING)).toContain(
    'no labels: put images into one sub-folder per class',
  );
  expect(verdict({ ...REPORT, evalMaskedMse: Number.NaN }, SETTING)[0]).toContain('diverged');
});
