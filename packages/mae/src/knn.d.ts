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
/**
 * Classifies each test sample by the weighted vote of its k most similar training samples under cosine similarity.
 * Equal similarities prefer the earlier training sample, equal votes the lower class.
 * Work grows as test * train * dim: 10,000 x 2,000 x 192 takes a few seconds.
 *
 * @returns the predicted class of each test row.
 * @throws MaestroError `invalid-argument` when the tables do not fit `dim`, or there is no training sample; `non-finite` when a feature is.
 */
export declare function knnClassify({ test, ...options }: KnnOptions): Int32Array;
/** {@link knnClassify} for test samples that come in parts: what is made of the training samples is made once. */
export declare function openKnnClassifier({
  train,
  dim,
  k,
  temperature,
  areUnit,
}: KnnClassifierOptions): (test: Float32Array) => Int32Array;
/** Share of `predictions` that equal `labels`. */
export declare function accuracy(predictions: ArrayLike<number>, labels: ArrayLike<number>): number;
/**
 * Scales rows of `dim` features, float32 [count, dim], to length 1 where they lie; zero rows stay zero.
 * @throws MaestroError `non-finite` when a feature is not a finite number, since nothing is near to that.
 */
export declare function toUnitRows(features: Float32Array, dim: number): void;
//# sourceMappingURL=knn.d.ts.map
