export { storageError } from '@maestro/storage';
export { checkpointHash, joinMoments, type TrainingTensors } from './format/checkpointHash.ts';
export {
  type CheckpointOrigin,
  describeDifferences,
  type ExpectedOrigin,
  originOf,
  readOrigin,
  requireOwnOrigin,
  requireSameOrigin,
} from './format/checkpointOrigin.ts';
export type { FileDigest } from './format/fileDigest.ts';
export { folderOwner } from './format/folderOwner.ts';
export { MODEL_FILE } from './format/manifest.ts';
export { readSafetensors, type SafetensorsContent, writeSafetensors } from './format/safetensors.ts';
export type { Dtype, TensorEntry } from './format/safetensorsHeader.ts';
export { type CheckpointTar, tarCheckpoint } from './format/tarCheckpoint.ts';
export { flatTensors, type NamedTensor } from './format/tensor.ts';
export { type CheckpointProblem, type CheckpointReport, describeProblems } from './read/checkpointReport.ts';
export { type CheckpointGlance, glanceAtCheckpoint } from './read/glanceAtCheckpoint.ts';
export { type ListedCheckpoint, listCheckpoints } from './read/listCheckpoints.ts';
export {
  describeFallback,
  type NewestValidCheckpoint,
  type NewestValidOptions,
  newestValidCheckpoint,
  type PassedOverCheckpoint,
  type ValidCheckpoint,
} from './read/newestValidCheckpoint.ts';
export {
  type Checkpoint,
  type CheckpointParameters,
  type ReadCheckpointOptions,
  readCheckpoint,
  readCheckpointState,
  readParameters,
} from './read/readCheckpoint.ts';
export { readJobSpec } from './read/readJobSpec.ts';
export { type VerifyOptions, verifyCheckpoint } from './read/verifyCheckpoint.ts';
export type { CheckpointPhase, WriteCheckpointOptions, WrittenCheckpoint } from './write/checkpointFiles.ts';
export { checkpointRoot } from './write/checkpointRoot.ts';
export { requireSpace } from './write/diskSpace.ts';
export { folderStep, stepFolder } from './write/folderNames.ts';
export { type RetainedCheckpoint, type Retention, retainCheckpoints } from './write/retainCheckpoints.ts';
export { writeCheckpoint } from './write/writeCheckpoint.ts';
