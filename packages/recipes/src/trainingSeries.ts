import type { MetricInfo } from '@maestro/protocol';

/** What every job that trains tells at each step; `about` says what its loss is. */
export function trainingSeries(about?: string): readonly MetricInfo[] {
  return [
    { name: 'loss', label: 'Loss', unit: 'number', better: 'lower', ...(about !== undefined && { about }) },
    { name: 'learningRate', label: 'Learning rate', shortLabel: 'lr', unit: 'rate' },
    { name: 'gradNorm', label: 'Gradient norm', exportName: 'gradient_norm', unit: 'number', isDetail: true },
  ];
}
