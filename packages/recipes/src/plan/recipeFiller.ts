import '../index.ts';
import type { SampleFiller } from '@maestro/data';
import { type PlanSource, planInThread } from './planRecipe.ts';

/** Makes what fills in a job's samples, in a loader's thread. */
export async function openSampleFiller(source: PlanSource): Promise<SampleFiller> {
  return (await planInThread(source)).fillSample;
}
