import { type JobSpec, type Metrics, metricsOf, recipeOf } from '@maestro/protocol';

/**
 * Returns a function that selects a step's metrics named by the job's recipe, in the recipe's order. A step may measure more than is
 * reported.
 */
export function toldMetrics(spec: JobSpec): (measured: Metrics) => Metrics {
  const { series } = recipeOf(spec);
  return (measured) => metricsOf(series, measured);
}
