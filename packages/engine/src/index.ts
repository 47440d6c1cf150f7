// First: it decides what ONNX Runtime does when it is loaded.
import './noTelemetry.ts';

export { describeModel, type ModelDescription, type ModelValue } from './describeModel.ts';
export { type DeviceBuild, type DeviceDiagnosis, describeLacks, diagnoseDevice } from './device.ts';
export type { EngineLogger } from './engineLogger.ts';
export { type Evaluator, type EvaluatorOptions, openEvaluator } from './evaluator.ts';
export type { Evaluation, EvaluationInput } from './evaluatorHost.ts';
export type { FlatLayout, FlatTensor } from './flatLayout.ts';
export type { DeviceFinding } from './judgeCuda.ts';
export type { Engine } from './openGradients.ts';
export { applyOuterStep, type OuterOptions, type OuterVectors } from './outerStep.ts';
export type { OutputPath } from './outputPath.ts';
export { runModel, type TensorValue } from './runModel.ts';
export { type RuntimeBuild, runtimeBuild } from './runtimeBuild.ts';
export type { CudaOptions, ModelSource } from './session.ts';
export { type TransferTimes, timeTransfers } from './timeTransfers.ts';
export { openTrainer, type Trainer, type TrainerMemory, type TrainerOptions, type TrainerSnapshot } from './trainer.ts';
export type { FlatState, MicroBatchInput, MicroBatchResult, OuterState, StateRange, StateVector } from './trainerMessages.ts';
