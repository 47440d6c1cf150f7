import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage, isMaestroError, type ProgressMemory, tellProgress } from '@maestro/protocol';
import type { DatasetSource } from '../formats/datasetSource.ts';
import { reopenDataset } from '../formats/openDataset.ts';
import { type BatchConfig, type BatchFiller, createBatchFiller } from './batchFiller.ts';
import { type LoaderReply, type LoaderRequest, type SlotMemory, slotViews } from './loaderMessages.ts';
import type { FillerSource, OpenSampleFiller } from './sampleFiller.ts';

const { source, config, filler, slots, microBatch, progress } = workerData as {
  readonly source: DatasetSource;
  readonly config: BatchConfig;
  readonly filler: FillerSource;
  readonly slots: readonly SlotMemory[];
  readonly microBatch: number;
  readonly progress: ProgressMemory;
};
const views = slots.map((slot) => slotViews(config.inputs, slot, microBatch));
const opening = open();
// The error is reported to each request for a batch instead.
opening.catch(() => undefined);

parentPort!.on('message', async ({ slot, positions }: LoaderRequest) => {
  let reply: LoaderReply;
  try {
    const fill = await opening;
    reply = {
      slot,
      positions,
      ...(await fill(positions, views[slot]!)),
    };
  } catch (error) {
    reply = {
      slot,
      code: isMaestroError(error) ? error.code : 'internal',
      message: errorMessage(error),
    };
  }
  parentPort!.postMessage(reply);
});

async function open(): Promise<BatchFiller> {
  const { openSampleFiller } = (await import(filler.module)) as { readonly openSampleFiller: OpenSampleFiller };
  const { module: _module, options, ...parts } = filler;
  const fillSample = await openSampleFiller(options as never);
  return createBatchFiller(reopenDataset(source), config, { ...parts, fillSample, progress: tellProgress(progress) });
}
