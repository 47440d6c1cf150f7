export { type AugmentConfig, augmentConfig } from './augment.ts';
export type { BatchConfig, SkippedSample } from './batchFiller.ts';
export type { BoundedFolderOptions } from './boundedFolder.ts';
export { mostBroken, tooManyBroken } from './brokenSamples.ts';
export { contentHash, contentText, sampleContent } from './contentHash.ts';
export { type ContentConflict, type ContentTable, openContentTable } from './contentTable.ts';
export { type Dataset, type DatasetSource, type DatasetSpec, datasetParts, type OpenDatasetOptions, openDataset } from './dataset.ts';
export { readEvictionRisk, requireNoEviction } from './evictionPolicy.ts';
export { type DataExamination, type DataPlace, type ExamineDataOptions, examineData } from './examineData.ts';
export { examineJob, type JobExamination, type JobExaminationOptions } from './examineJob.ts';
export { type DatasetPart, PROBE_BYTES } from './holdOut.ts';
export { IMAGE_EXTENSIONS, imageBuild } from './imageCodec.ts';
export { jobLearningRate, jobSchedule } from './jobSchedule.ts';
export { type Loader, type LoaderOptions, type MicroBatch, openLoader } from './loader.ts';
export { type EvaluationImages, loadImages } from './loadImages.ts';
export { defaultNormalisation, type Normalisation } from './normalisation.ts';
export { type PackedDataset, type PackOptions, packDataset } from './packDataset.ts';
export { INDEX_FILE } from './packIndex.ts';
export { imageCost, type PlanOptions, planJob, planWarnings, type WorkerAtHand } from './planJob.ts';
export { connectRedis, type RedisConnection } from './redisConnection.ts';
export { type RedisServer, startRedisServer } from './redisServer.ts';
export { requireRedisUrl } from './redisUrl.ts';
export { type GridOptions, renderGrid } from './renderGrid.ts';
export { addDigests, DIGEST_MODULUS, positionsDigest, type SampleSpace, sampleDigest, subtractDigests } from './sampleDigest.ts';
export {
  type PositionRange,
  planSchedule,
  positionsOfMicroBatch,
  positionsOfRank,
  positionsOfStep,
  type Schedule,
  type ScheduleOptions,
  type Shard,
  type StepWindow,
  shardsOfWindow,
  stepsOfEpoch,
  windowOfStep,
} from './schedule.ts';
export { type Lease, listShardGenerations, loadBullmq, openShardQueue, type ShardDepth, type ShardQueue } from './shardQueue.ts';
export { type DataSurvey, surveyData } from './surveyData.ts';
