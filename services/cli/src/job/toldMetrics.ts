import { type Job, type JobProgress, type MetricInfo, recipeInfos, shortLabel } from '@maestro/protocol';

/**
 * Returns the metrics that a job's steps have reported, in the order of its recipe. For a recipe known only to the coordinator, each by its
 * name.
 */
export function toldMetrics({ specJson, progress }: Pick<Job, 'specJson' | 'progress'>): readonly MetricInfo[] {
  const metrics = progress?.metrics ?? {};
  const { recipe } = JSON.parse(specJson) as { readonly recipe?: string };
  const known = recipeInfos().find(({ id }) => id === recipe)?.series;
  const all = known ?? Object.keys(metrics).map((name): MetricInfo => ({ name, label: name, unit: 'number' }));
  return all.filter(({ name }) => Object.hasOwn(metrics, name));
}

/** Returns a list's column for each job's headline metric. It has the metric's name when that is the same for all jobs. */
export function headlineColumn(jobs: readonly Job[]): { readonly title: string; readonly cells: readonly string[] } {
  const headlines = jobs.map((job) => toldMetrics(job)[0]);
  const names = [...new Set(headlines.flatMap((metric) => (metric === undefined ? [] : [shortLabel(metric)])))];
  const isOne = names.length < 2;
  const cells = jobs.map(({ progress }, i) => {
    const metric = headlines[i];
    if (metric === undefined) return '-';
    const text = metricText(metric, progress!.metrics[metric.name]!);
    return isOne ? text : `${shortLabel(metric)} ${text}`;
  });
  return { title: isOne ? (names[0] ?? 'loss').toUpperCase() : 'METRIC', cells };
}

/** Formats the main metrics, as parts of a line: `loss 0.5123`. */
export function glance(job: Pick<Job, 'specJson' | 'progress'>): string[] {
  return toldMetrics(job)
    .filter(({ isDetail }) => isDetail !== true)
    .map((metric) => `${shortLabel(metric)} ${metricText(metric, job.progress!.metrics[metric.name]!)}`);
}

/**
 * Formats all metrics as a line, the first with its value at the first step: `0.512340 (first 2.000000), lr 1.000e-3`; undefined when none
 * was reported.
 */
export function metricsLine(job: Pick<Job, 'specJson' | 'progress'>): { readonly label: string; readonly text: string } | undefined {
  const [headline, ...others] = toldMetrics(job);
  if (headline === undefined) return undefined;
  const { metrics, firstMetrics } = job.progress as JobProgress;
  const first = firstMetrics[headline.name];
  const parts = [
    metricText(headline, metrics[headline.name]!, 'whole') +
      (first === undefined ? '' : ` (first ${metricText(headline, first, 'whole')})`),
    ...others.map((metric) => `${shortLabel(metric)} ${metricText(metric, metrics[metric.name]!, 'fine')}`),
  ];
  return { label: headline.label, text: parts.join(', ') };
}

/**
 * Formats a job's results as its recipe has them: `k-NN accuracy 46.33 % (300 test samples), checkpoint of step 40`; undefined when it has
 * none.
 */
export function resultsLine({ specJson, results = {} }: Pick<Job, 'specJson' | 'results'>): string | undefined {
  const { recipe } = JSON.parse(specJson) as { readonly recipe?: string };
  const known = recipeInfos().find(({ id }) => id === recipe)?.results ?? [];
  const unknown = Object.keys(results).filter((name) => !known.some((metric) => metric.name === name));
  const all = [...known, ...unknown.map((name): MetricInfo => ({ name, label: name, unit: 'number' }))];
  const notes = new Set(all.map(({ note }) => note));
  const text = (metric: MetricInfo): string => metricText(metric, results[metric.name]!);
  const parts = all.flatMap((metric) => {
    if (results[metric.name] === undefined || notes.has(metric.name)) return [];
    const note = all.find(({ name }) => name === metric.note && results[name] !== undefined);
    return `${metric.label} ${text(metric)}${note === undefined ? '' : ` (${text(note)} ${note.label})`}`;
  });
  return parts.length === 0 ? undefined : parts.join(', ');
}

/** Formats a number in the unit of its metric. */
export function metricText({ unit }: Pick<MetricInfo, 'unit'>, value: number, digits: 'few' | 'fine' | 'whole' = 'few'): string {
  if (unit === 'count') return String(value);
  if (unit === 'share') return `${(100 * value).toFixed(2)} %`;
  if (unit === 'rate') return value.toExponential(digits === 'few' ? 2 : 3);
  return digits === 'few' ? value.toFixed(4) : digits === 'whole' ? value.toFixed(6) : value.toPrecision(4);
}
