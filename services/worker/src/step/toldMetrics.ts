import { type JobSpec, type Metrics, metricsOf, recipeOf } from '@maestro/protocol';

/** Gives the numbers of a step that the job's recipe names among its series, in their order. A step may have more of them than are told. */
export function toldMetrics(spec: JobSpec): (measured: Metrics) => Metrics {
  const { series } = recipeOf(spec);
  return (measured) => metricsOf(series, measured);
}
