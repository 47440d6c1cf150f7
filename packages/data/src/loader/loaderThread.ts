import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage, isMaestroError } from '@maestro/protocol';
import type { DatasetSource } from '../formats/datasetSource.ts';
import { reopenDataset } from '../formats/openDataset.ts';
import { type BatchConfig, createBatchFiller } from './batchFiller.ts';
import type { LoaderReply, LoaderRequest, SlotMemory } from './loaderMessages.ts';

const { source, config, slots } = workerData as {
  source: DatasetSource;
  config: BatchConfig;
  slots: readonly SlotMemory[];
};
const fill = createBatchFiller(reopenDataset(source), config);
const images = slots.map((slot) => new Float32Array(slot.images));
const idsShuffle = slots.map((slot) => new BigInt64Array(slot.idsShuffle));

parentPort!.on('message', async ({ slot, positions }: LoaderRequest) => {
  let reply: LoaderReply;
  try {
    reply = {
      slot,
      positions,
      ...(await fill(positions, images[slot]!, idsShuffle[slot]!)),
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
