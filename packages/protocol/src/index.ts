export type { AuditEpoch, AuditReport, AuditWorker, JobAudit } from './audit.ts';
export {
  assertInternal,
  ERROR_CODES,
  type ErrorCode,
  type ErrorOptionsWithDetails,
  errorMessage,
  isMaestroError,
  MaestroError,
} from './errors.ts';
export { CONTROL_CHANNEL_OPTIONS, fromServiceError, loadService, toServiceError } from './grpc.ts';
export { newJobId } from './ids.ts';
export { type DataSpec, type JobSpec, jobSpecSchema, PRESET_NAMES, type PresetName, parseJobSpec, specHash } from './jobSpec.ts';
export {
  type Condition,
  isTerminal,
  JOB_STATES,
  type Job,
  type JobCheckpoint,
  type JobMember,
  type JobProgress,
  type JobState,
  type WorkerInfo,
} from './jobs.ts';
export {
  type CheckpointWritten,
  type CoordinatorMessage,
  type Formed,
  fromWire,
  type Heartbeat,
  type Hello,
  type ImagesSkipped,
  type Left,
  type RankReport,
  type SkippedImage,
  type StepCommitted,
  toWire,
  type View,
  type ViewMember,
  type Wire,
  type WorkerMessage,
} from './messages.ts';
