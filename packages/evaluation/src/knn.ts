import { MaestroError } from '@maestro/protocol';

/** Feature vectors, one row per sample. */
export interface FeatureTable {
  /** float32 [count, dim], row-major. */
  readonly features: Float32Array;
  /** One class per row, integers from 0; a row of -1 has none and is no neighbour. */
  readonly labels: ArrayLike<number>;
}

/** Options of {@link openKnnClassifier}. */
export interface KnnClassifierOptions {
  readonly train: FeatureTable;
  readonly dim: number;
  /** Neighbours that vote; 200 by custom (Wu et al. 2018, section 3.4). Fewer when there are fewer training samples. */
  readonly k?: number;
  /** Temperature of the votes exp(similarity / temperature); 0.07 by custom (same source). */
  readonly temperature?: number;
  /**
   * Rows to train with and to classify have length 1 already ({@link toUnitRows}): those of `train` are then read where they lie, not
   * copied.
   */
  readonly areUnit?: boolean;
}

/** Options of {@link knnClassify}. */
export interface KnnOptions extends KnnClassifierOptions {
  /** float32 [count, dim] of the samples to classify. */
  readonly test: Float32Array;
}

const ROWS = 4;

/**
 * Classifies each test sample by the weighted vote of its k most similar training samples under cosine similarity.
 * Equal similarities prefer the earlier training sample, equal votes the lower class.
 * Work grows as test * train * dim: 10,000 x 2,000 x 192 takes a few seconds.
 *
 * @returns the predicted class of each test row.
 * @throws MaestroError `invalid-argument` when the tables do not fit `dim`, or there is no training sample; `non-finite` when a feature is.
 */
export function knnClassify({ test, ...options }: KnnOptions): Int32Array {
  return openKnnClassifier(options)(test);
}

/** {@link knnClassify} for test samples that come in parts: what is made of the training samples is made once. */
export function openKnnClassifier({
  train,
  dim,
  k = 200,
  temperature = 0.07,
  areUnit = false,
}: KnnClassifierOptions): (test: Float32Array) => Int32Array {
  const trainCount = train.features.length / dim;
  if (!Number.isInteger(trainCount) || trainCount === 0 || train.labels.length !== trainCount) {
    throw new MaestroError(
      'invalid-argument',
      `k-NN: expected rows of ${dim} features and one label for each training row, found ${train.features.length} features and ` +
        `${train.labels.length} labels`,
    );
  }
  const { features } = train;
  const trainRows = areUnit ? features : features.slice();
  if (!areUnit) toUnitRows(trainRows, dim);
  const labels = Int32Array.from(train.labels);
  const similarity = new Float64Array(ROWS * (trainCount + 1));
  const votes = new Float64Array(1 + Math.max(0, labels[firstLargest(labels)]!));
  const nearest = openNearest(Math.min(k, trainCount));
  return (test) => {
    const testCount = test.length / dim;
    if (!Number.isInteger(testCount)) {
      throw new MaestroError('invalid-argument', `k-NN: expected rows of ${dim} features to classify, found ${test.length} features`);
    }
    const testRows = new Float32Array(Math.ceil(testCount / ROWS) * ROWS * dim);
    testRows.set(test);
    if (!areUnit) toUnitRows(testRows, dim);
    const predictions = new Int32Array(testCount);
    for (let first = 0; first < testCount; first += ROWS) {
      similarities(testRows, first, trainRows, dim, similarity);
      for (let row = 0; row < Math.min(ROWS, testCount - first); row++) {
        nearest.clear();
        for (let j = 0; j < trainCount; j++) if (labels[j]! >= 0) nearest.offer(similarity[j * ROWS + row]!, j);
        votes.fill(0);
        // Relative to the nearest, whose vote is 1: no temperature makes all votes infinite or zero.
        const highest = nearest.highest();
        nearest.forEach((value, index) => {
          votes[labels[index]!]! += Math.exp((value - highest) / temperature);
        });
        predictions[first + row] = firstLargest(votes);
      }
    }
    return predictions;
  };
}

/** Share of `predictions` that equal `labels`. */
export function accuracy(predictions: ArrayLike<number>, labels: ArrayLike<number>): number {
  let correct = 0;
  for (let i = 0; i < predictions.length; i++) if (predictions[i] === labels[i]) correct++;
  return correct / predictions.length;
}

/** Where the largest of `values` is, the first of equals. */
function firstLargest(values: ArrayLike<number>): number {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[at]!) at = i;
  return at;
}

/**
 * Scales rows of `dim` features, float32 [count, dim], to length 1 where they lie; zero rows stay zero.
 * @throws MaestroError `non-finite` when a feature is not a finite number, since nothing is near to that.
 */
export function toUnitRows(features: Float32Array, dim: number): void {
  for (let first = 0; first < features.length; first += dim) {
    let squares = 0;
    for (let i = first; i < first + dim; i++) squares += features[i]! * features[i]!;
    if (!Number.isFinite(squares)) throw new MaestroError('non-finite', `k-NN: the features of row ${first / dim} are not finite`);
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let i = first; i < first + dim; i++) features[i] = features[i]! * scale;
  }
}

/**
 * Dot products of four test rows with all training rows, two training rows at a time so that the sums stay in registers: out [train, 4],
 * and room for one more row, which the last of an odd number fills again.
 */
function similarities(test: Float32Array, first: number, train: Float32Array, dim: number, out: Float64Array): void {
  const count = train.length / dim;
  const a = first * dim;
  const b = a + dim;
  const c = b + dim;
  const d = c + dim;
  for (let row = 0; row < count; row += 2) {
    const x = row * dim;
    const y = row + 1 < count ? x + dim : x;
    let ax = 0;
    let bx = 0;
    let cx = 0;
    let dx = 0;
    let ay = 0;
    let by = 0;
    let cy = 0;
    let dy = 0;
    for (let i = 0; i < dim; i++) {
      const xi = train[x + i]!;
      const yi = train[y + i]!;
      const ai = test[a + i]!;
      const bi = test[b + i]!;
      const ci = test[c + i]!;
      const di = test[d + i]!;
      ax += ai * xi;
      bx += bi * xi;
      cx += ci * xi;
      dx += di * xi;
      ay += ai * yi;
      by += bi * yi;
      cy += ci * yi;
      dy += di * yi;
    }
    const at = row * ROWS;
    out[at] = ax;
    out[at + 1] = bx;
    out[at + 2] = cx;
    out[at + 3] = dx;
    out[at + 4] = ay;
    out[at + 5] = by;
    out[at + 6] = cy;
    out[at + 7] = dy;
  }
}

/** Keeps the `capacity` largest values offered, in a binary heap with the smallest on top. */
function openNearest(capacity: number) {
  const values = new Float64Array(capacity);
  const indices = new Int32Array(capacity);
  let size = 0;

  const siftDown = (value: number, index: number): void => {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && isFarther(child + 1, child)) child++;
      if (values[child]! > value || (values[child] === value && indices[child]! < index)) break;
      values[at] = values[child]!;
      indices[at] = indices[child]!;
      at = child;
    }
    values[at] = value;
    indices[at] = index;
  };
  const isFarther = (i: number, j: number): boolean => values[i]! < values[j]! || (values[i] === values[j] && indices[i]! > indices[j]!);

  return {
    clear: () => {
      size = 0;
    },
    /** Indices must be offered in ascending order: an equal value that comes later is farther. */
    offer: (value: number, index: number): void => {
      if (size === capacity) {
        if (value > values[0]!) siftDown(value, index);
        return;
      }
      let at = size++;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (values[parent]! < value) break;
        values[at] = values[parent]!;
        indices[at] = indices[parent]!;
        at = parent;
      }
      values[at] = value;
      indices[at] = index;
    },
    /** The largest value kept; -Infinity where there is none. */
    highest: (): number => {
      let most = -Infinity;
      for (let i = 0; i < size; i++) if (values[i]! > most) most = values[i]!;
      return most;
    },
    forEach: (visit: (value: number, index: number) => void): void => {
      for (let i = 0; i < size; i++) visit(values[i]!, indices[i]!);
    },
  };
}
