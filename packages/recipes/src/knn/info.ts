import type { RecipeInfo } from '@maestro/protocol';
import { knnIssues, knnSection, withKnnDefaults } from './knnSpec.ts';

/** Measures the encoder of a checkpoint by the classes of nearest neighbours (Wu et al. 2018). */
export const knnInfo: RecipeInfo = {
  id: 'knn',
  does: 'measures the encoder of a checkpoint by the classes of nearest neighbours',
  verb: 'measuring',
  section: { key: 'knn', schema: knnSection },
  dataPlaces: [['knn', 'test']],
  defaults: withKnnDefaults,
  issues: knnIssues,
  series: [],
  results: [
    { name: 'knnAccuracy', label: 'k-NN accuracy', unit: 'share', better: 'higher', note: 'testSamples' },
    { name: 'testSamples', label: 'test samples', unit: 'count' },
    { name: 'trainSamples', label: 'Training samples', unit: 'count', note: 'classes' },
    { name: 'classes', label: 'classes', unit: 'count' },
    { name: 'checkpointStep', label: 'Checkpoint of step', unit: 'count' },
  ],
  summary: ({ knnAccuracy, testSamples }) => `k-NN accuracy ${(100 * knnAccuracy!).toFixed(2)} % of ${testSamples} test samples`,
};
