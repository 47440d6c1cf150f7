// First: it decides what ONNX Runtime does when it is loaded.
import './noTelemetry.ts';

export { describeModel, type ModelDescription, type ModelValue } from './describeModel.ts';
export { type DeviceBuild, type DeviceDiagnosis, describeLacks, diagnoseDevice } from './devices/device.ts';
export type { DeviceFinding } from './devices/judgeCuda.ts';
export { type TransferTimes, timeTransfers } from './devices/timeTransfers.ts';
export type { EngineLogger } from './engineLogger.ts';
export { type Evaluator, type EvaluatorOptions, openEvaluator } from './evaluator/evaluator.ts';
export type { Evaluation, EvaluationInput, EvaluationModel } from './evaluator/evaluatorHost.ts';
export type { Engine } from './gradients/engine.ts';
export type { OutputPath } from './gradients/outputPath.ts';
export { runModel, type TensorValue } from './runModel.ts';
export { type RuntimeBuild, runtimeBuild } from './runtimeBuild.ts';
export type { CudaOptions, ModelSource } from './session.ts';
export type { GradientTree } from './trainer/gradientTree.ts';
export type { OptimizerAccess } from './trainer/optimizerAccess.ts';
export type { OuterAccess } from './trainer/outerAccess.ts';
export type { OuterOptions, OuterVectors } from './trainer/outerStep.ts';
export { reserveSnapshot, type SnapshotMemory } from './trainer/snapshotMemory.ts';
export type { StateAccess, TrainerSnapshot } from './trainer/stateAccess.ts';
export { openTrainer, type Trainer, type TrainerMemory, type TrainerOptions } from './trainer/trainer.ts';
export type {
  FlatState,
  MicroBatchInput,
  MicroBatchResult,
  OuterState,
  PartialStage,
  StateRange,
  TrainingStage,
} from './trainer/trainerMessages.ts';
