import { type MetricInfo, type RecipeInfo, recipeOf } from '@maestro/protocol';

/** What every job that trains tells at each step; `about` says what its loss is. */
export function trainingSeries(about?: string): readonly MetricInfo[] {
  return [
    { name: 'loss', label: 'Loss', unit: 'number', better: 'lower', ...(about !== undefined && { about }) },
    { name: 'learningRate', label: 'Learning rate', shortLabel: 'lr', unit: 'rate' },
    { name: 'gradNorm', label: 'Gradient norm', exportName: 'gradient_norm', unit: 'number', isDetail: true },
  ];
}

/** Names of the series that a recipe has beside those of every training: its training graph has an output `metric.NAME` for each. */
export function ownSeries(spec: { readonly recipe: string }): readonly string[] {
  return ownSeriesOf(recipeOf(spec));
}

/** The same of a recipe. */
export function ownSeriesOf({ series }: Pick<RecipeInfo, 'series'>): readonly string[] {
  const common = new Set(trainingSeries().map(({ name }) => name));
  return series.flatMap(({ name }) => (common.has(name) ? [] : [name]));
}
