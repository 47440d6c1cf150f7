import type { MetricInfo } from './recipe.ts';

/** Numbers by name: the metrics of a step, or the final results of a job. */
export type Metrics = Readonly<Record<string, number>>;

/** Maximum number of series of one recipe. */
export const MOST_SERIES = 32;

/** Series that a recipe has beside those of every training, at most: each virtual rank has room for them in every step. */
export const MOST_OWN_SERIES = 8;

/** Series that every job has besides those of its recipe. */
export const COMMON_SERIES = ['imagesPerSecond', 'stepSeconds'] as const;

/**
 * Names that a recipe cannot give to a series: columns of the exports, and metrics that the coordinator itself exposes to Prometheus for a
 * job.
 */
const TAKEN: ReadonlySet<string> = new Set([
  ...[...COMMON_SERIES, 'step', 'time', 'timeMs', 'images'].map(snakeCase),
  ...['jobs', 'workers', 'workers_wanted', 'steps', 'generation', 'members', 'ledger_steps_waiting', 'goodput_ratio'],
  ...['committed_step_seconds', 'recovery_seconds', 'heartbeat_gap_seconds', 'reconstruction_seconds', 'step_duration_seconds'],
  ...['barrier_lag_seconds', 'checkpoint_stall_seconds', 'checkpoint_write_seconds', 'steps_unacknowledged'],
  ...['event_loop_delay_p99_seconds', 'event_loop_delay_max_seconds'],
]);

/** Returns the name of a metric in Prometheus and TensorBoard, without their prefixes. */
export function exportName({ name, exportName: given }: Pick<MetricInfo, 'name' | 'exportName'>): string {
  return given ?? snakeCase(name);
}

/** Returns the label of a metric in a line of text. */
export function shortLabel({ label, shortLabel: given }: Pick<MetricInfo, 'label' | 'shortLabel'>): string {
  return given ?? label.toLowerCase();
}

/** Returns why a recipe cannot have these series; undefined when it can. */
export function whyNoSeries(series: readonly MetricInfo[]): string | undefined {
  if (series.length > MOST_SERIES) return `it has ${series.length} series, at most ${MOST_SERIES} are kept`;
  for (const [index, metric] of series.entries()) {
    const { name } = metric;
    const exported = exportName(metric);
    if (!/^[a-z][A-Za-z0-9]{0,39}$/.test(name)) return `series "${name}": expected a name in camelCase of at most 40 letters and digits`;
    if (name in {}) return `series ${name}: every object has something of that name; choose another`;
    if (!/^[a-z][a-z0-9_]{0,59}$/.test(exported)) return `series ${name}: expected an exportName in snake_case, found "${exported}"`;
    if (TAKEN.has(snakeCase(name)) || TAKEN.has(exported) || exported.endsWith('_total'))
      return `series ${name}: the name is taken by maestro`;
    const other = series.slice(0, index).find((each) => each.name === name || exportName(each) === exported);
    if (other?.name === name) return `series ${name}: there are two of this name; rename one`;
    if (other !== undefined) return `series ${name}: its exportName ${exported} is that of series ${other.name}; choose another`;
  }
  return undefined;
}

/** Selects the values of a recipe's metrics, in its order; a metric that was not reported is left out. */
export function metricsOf(series: readonly Pick<MetricInfo, 'name'>[], told: Metrics): Metrics {
  const values: Record<string, number> = {};
  for (const { name } of series) if (Object.hasOwn(told, name)) values[name] = told[name]!;
  return values;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => `_${letters.toLowerCase()}`);
}
