export { storageError } from '@maestro/storage';
export { checkpointHash, type TrainingTensors } from './checkpointHash.ts';
export {
  type CheckpointOrigin,
  describeDifferences,
  type ExpectedOrigin,
  originOf,
  readOrigin,
  requireOwnOrigin,
  requireSameOrigin,
} from './checkpointOrigin.ts';
export { type CheckpointProblem, type CheckpointReport, describeProblems } from './checkpointReport.ts';
export { checkpointRoot } from './checkpointRoot.ts';
export { requireSpace } from './diskSpace.ts';
export type { FileDigest } from './fileDigest.ts';
export { folderStep, stepFolder } from './folderNames.ts';
export { folderOwner } from './folderOwner.ts';
export { type CheckpointGlance, glanceAtCheckpoint } from './glanceAtCheckpoint.ts';
export { cleanLeftovers } from './leftovers.ts';
export { type ListedCheckpoint, listCheckpoints } from './listCheckpoints.ts';
export { MANIFEST_FILE, MODEL_FILE, OPTIMIZER_FILE, REPLICAS_FILE, STATE_FILE } from './manifest.ts';
export {
  describeFallback,
  type NewestValidCheckpoint,
  type NewestValidOptions,
  newestValidCheckpoint,
  type PassedOverCheckpoint,
  type ValidCheckpoint,
} from './newestValidCheckpoint.ts';
export {
  type Checkpoint,
  type CheckpointParameters,
  type ReadCheckpointOptions,
  readCheckpoint,
  readCheckpointState,
  readParameters,
} from './readCheckpoint.ts';
export { readJobSpec } from './readJobSpec.ts';
export { type RetainedCheckpoint, type Retention, retainCheckpoints, stepsToRemove } from './retainCheckpoints.ts';
export {
  type DecodedTensor,
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  type SafetensorsContent,
  writeSafetensors,
} from './safetensors.ts';
export { DTYPE_BYTES, type Dtype, type TensorEntry } from './safetensorsHeader.ts';
export { type CheckpointTar, tarCheckpoint } from './tarCheckpoint.ts';
export { type FlatTensorLayout, flatTensors, type NamedTensor } from './tensor.ts';
export { type VerifyOptions, verifyCheckpoint } from './verifyCheckpoint.ts';
export { type CheckpointPhase, type WriteCheckpointOptions, type WrittenCheckpoint, writeCheckpoint } from './writeCheckpoint.ts';
