import { dilocoOf, type JobSpec, MOST_WORKERS } from './jobSpec.ts';

/** Returns the virtual ranks of one unit of placement: a worker owns whole contiguous groups of them, a replica's, or single ranks. */
export function ranksPerUnit(spec: Pick<JobSpec, 'sync' | 'resources'>): number {
  return spec.resources.virtualRanks / (dilocoOf(spec)?.replicas ?? spec.resources.virtualRanks);
}

/** Returns the maximum number of workers that a job can use. */
export function mostWorkers(spec: Pick<JobSpec, 'sync' | 'resources'>): number {
  const { virtualRanks, maxWorkers } = spec.resources;
  return maxWorkers ?? Math.min(virtualRanks / ranksPerUnit(spec), MOST_WORKERS);
}
