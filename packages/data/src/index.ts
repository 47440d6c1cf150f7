export type { BoundedFolderOptions } from './blocks/boundedFolder.ts';
export type { DataExamination, DataPlace, ExamineDataOptions } from './examine/examineData.ts';
export { examineJob, type JobExamination, type JobExaminationOptions } from './examine/examineJob.ts';
export { imageCost, type PlanOptions, planJob, planWarnings, type WorkerAtHand } from './examine/planJob.ts';
export { type DataSurvey, surveyData } from './examine/surveyData.ts';
export type { Dataset, OpenDatasetOptions } from './formats/dataset.ts';
export type { DatasetPart, DatasetSource } from './formats/datasetSource.ts';
export { type DatasetSpec, datasetParts, openDataset } from './formats/openDataset.ts';
export { type PackedDataset, type PackOptions, packDataset } from './formats/packDataset.ts';
export { INDEX_FILE } from './formats/packIndex.ts';
export { type AugmentConfig, augmentConfig } from './images/augment.ts';
export { IMAGE_EXTENSIONS, imageBuild } from './images/imageCodec.ts';
export type { Normalisation } from './images/normalisation.ts';
export { type GridOptions, renderGrid } from './images/renderGrid.ts';
export type { BatchConfig } from './loader/batchFiller.ts';
export { mostBroken, tooManyBroken } from './loader/brokenSamples.ts';
export { contentHash, contentText, sampleContent } from './loader/contentHash.ts';
export { type ImageFillerOptions, imageFiller } from './loader/imageFiller.ts';
export { type Loader, type LoaderOptions, type MicroBatch, openLoader } from './loader/loader.ts';
export { type EvaluationImages, loadImages } from './loader/loadImages.ts';
export type { FillerSource, OpenSampleFiller, SampleAddress, SampleFiller, SampleToFill } from './loader/sampleFiller.ts';
export type { SkippedSample } from './loader/skippedSample.ts';
export { jobLearningRate, jobSchedule } from './schedule/jobSchedule.ts';
export { type LearningRateSchedule, learningRateAt } from './schedule/learningRate.ts';
export { addDigests, positionsDigest, type SampleSpace } from './schedule/sampleDigest.ts';
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
} from './schedule/schedule.ts';
