import { parentPort, workerData } from 'node:worker_threads';
import { openKnnClassifier } from './knn.ts';
import type { KnnThreadInput, KnnThreadReport } from './knnInThread.ts';

/** Multiply-adds between two reports: a second or two. */
const REPORT_EVERY = 2e9;

const { train, test, dim, k, temperature, areUnit } = workerData as KnnThreadInput;
const classify = openKnnClassifier({ train, dim, k, temperature, areUnit });
const rows = Math.max(4, Math.floor(REPORT_EVERY / train.features.length));
let asked = 0;
let correct = 0;
for (let first = 0; first < test.labels.length; first += rows) {
  const end = Math.min(first + rows, test.labels.length);
  const predictions = classify(test.features.subarray(first * dim, end * dim));
  for (const [i, predicted] of predictions.entries()) {
    const label = test.labels[first + i]!;
    if (label >= 0) asked++;
    if (label === predicted) correct++;
  }
  parentPort!.postMessage({ done: end, asked, correct } satisfies KnnThreadReport);
}
