export { type AuditResource, auditResource, auditResourceSchema } from './api/auditResource.ts';
export { type CheckpointResource, checkpointResourceSchema } from './api/checkpointResource.ts';
export { type DataSurveyResource, dataSurveyQuerySchema, dataSurveySchema } from './api/dataSurvey.ts';
export { type JobCheck, type JobPlan, jobCheckSchema, jobFileJsonSchema } from './api/jobCheck.ts';
export { type JobResource, jobResource, jobResourceSchema } from './api/jobResource.ts';
export {
  LOG_CURSOR,
  LOG_QUERY_LEVELS,
  type LogFilter,
  logCursorSchema,
  logHistogramQuerySchema,
  logHistogramSchema,
  logLineSchema,
  logQuerySchema,
} from './api/logLine.ts';
export {
  exportQuerySchema,
  METRIC_FORMATS,
  type MetricFormat,
  reconstructionSchema,
  seriesListSchema,
  timelineSchema,
} from './api/metricResources.ts';
export {
  decodeCursor,
  encodeCursor,
  MOST_PAGE_LIMIT,
  numberKey,
  type Page,
  type PageQuery,
  pageOf,
  pageQuerySchema,
  pageSchema,
} from './api/page.ts';
export { jobParamsSchema, stepParamSchema } from './api/primitives.ts';
export { PROBLEM_TYPE, type Problem, problemOf, problemSchema } from './api/problem.ts';
export { type RecipeResource, recipeResource, recipeResourceSchema } from './api/recipeResource.ts';
export { type ViewResource, viewResourceSchema } from './api/viewResource.ts';
export { type WorkerResource, workerResource, workerResourceSchema } from './api/workerResource.ts';
export type { AuditEpoch, AuditReport, AuditVerdict, AuditWorker, JobAudit } from './audit.ts';
export {
  assertInternal,
  ERROR_CODES,
  type ErrorCode,
  type ErrorOptionsWithDetails,
  errorMessage,
  isMaestroError,
  MaestroError,
} from './errors.ts';
export { normalWord, type OurWord, ourWordFor } from './foreignWords.ts';
export {
  BATCH_ARRAYS,
  type BatchDtype,
  type BatchInput,
  type BatchView,
  type BatchViews,
  bytesPerSample,
  dtypeOf,
  elementsOf,
  viewOf,
} from './job/batchInput.ts';
export { formatBytes, parseByteSize } from './job/byteSize.ts';
export { type PathRoots, readRoots, requireConfined, requireInside } from './job/confinedPath.ts';
export { allocateProgress, type FillProgress, type ProgressMemory, tellProgress, watchProgress } from './job/fillProgress.ts';
export { commonIdentity, identityDifferences, type JobIdentity, specDifferences } from './job/jobIdentity.ts';
export {
  at,
  COMMON_SECTIONS,
  type DataSpec,
  DEFAULT_HOLD_OUT,
  type DilocoSpec,
  dilocoOf,
  haveSameMoments,
  JOB_PRECISIONS,
  type JobData,
  type JobPrecision,
  type JobSpec,
  jobData,
  jobFileSchema,
  type PresetName,
  parseJobSpec,
  readStoredSpec,
  SECTION_SCHEMAS,
  storedSpecSchema,
  type TestDataSpec,
} from './job/jobSpec.ts';
export {
  type Condition,
  type FormerProgress,
  formerProgress,
  isTerminal,
  JOB_STATES,
  type Job,
  type JobCheckpoint,
  type JobEvent,
  type JobMember,
  type JobProgress,
  type JobState,
  type StoredCheckpoint,
  type WorkerInfo,
} from './job/jobs.ts';
export { mostWorkers, ranksPerUnit } from './job/jobUnits.ts';
export {
  COMMON_SERIES,
  exportName,
  type Metrics,
  MOST_OWN_SERIES,
  MOST_SERIES,
  metricsOf,
  shortLabel,
  whyNoSeries,
} from './job/metrics.ts';
export { nearest } from './job/nearest.ts';
export { type JobIssue, type JobSection, METRIC_UNITS, type MetricInfo, type RecipeInfo, type SectionSchemas } from './job/recipe.ts';
export { kindOf } from './job/recipeAnswers.ts';
export { type RecipeName, recipeFault, recipeLabel } from './job/recipeFault.ts';
export { failRecipes, isLoaded, isTraining, recipeInfos, recipeOf, registerRecipes, standInFor } from './job/recipeRegistry.ts';
export { requireShallow } from './job/requireShallow.ts';
export { describeIssues, pathsOf, type SchemaNode } from './job/schemaIssues.ts';
export { changedAt, specHash } from './job/specHash.ts';
export { printable } from './printable.ts';
export { type Bind, type HostAndPort, requireSafeBind, splitAddress } from './process/bindRule.ts';
export { DEVICES, type Device, isDevice } from './process/device.ts';
export { ENVIRONMENT, type EnvironmentVariable } from './process/environment.ts';
export { homeRelativeAdvice, isHomeRelative } from './process/isHomeRelative.ts';
export { listenError } from './process/listenError.ts';
export { identifyProcess, isRunning, mayRun, type ProcessIdentity, processStart } from './process/processIdentity.ts';
export { readEnvironment, type Variables } from './process/readEnvironment.ts';
export { isAllowed, ROLES, type Role } from './process/roles.ts';
export { type SecretVariable, scrubEnvironment, withoutVariables } from './process/scrubEnvironment.ts';
export { channelCredentials, readTls, serverCredentials, type TlsFiles } from './process/tls.ts';
export { DEFAULT_FAILURE_TIMEOUT_MS, DEFAULT_PREPARE_SECONDS, type FailureTimeouts, failureTimeouts } from './wire/failureTimeouts.ts';
export {
  controlChannelOptions,
  fromServiceError,
  loadProtos,
  loadService,
  tokenMetadata,
  toServiceError,
} from './wire/grpc.ts';
export { newJobId } from './wire/ids.ts';
export { isAlive } from './wire/isAlive.ts';
export {
  type CheckpointFailed,
  type CheckpointWritten,
  type CoordinatorMessage,
  fromWire,
  type Heartbeat,
  type Hello,
  type Hold,
  type ImagesSkipped,
  type Left,
  type MemberStatus,
  type MetricsSnapshot,
  type RankShare,
  type SkippedImage,
  STEP_PHASES,
  type Standing,
  type StateHolder,
  type StateShard,
  type StepCommitted,
  type StepPhase,
  type StepsTimed,
  type StepTimes,
  toWire,
  type View,
  type ViewMember,
  type Wire,
  type WorkerMessage,
} from './wire/messages.ts';
export { type CoveredPiece, coverRange, type ElementRange, newestWholeStep } from './wire/stateShards.ts';
export { parseWorkerMessage } from './wire/workerMessages.ts';
