export { ADAMW_DEFAULTS } from './adamW.ts';
export { type Arithmetic, type ElementArithmetic, NUMBERS, type ScalarArithmetic } from './arithmetic.ts';
export {
  OptimizerStep,
  type OptimizerStepOptions,
  type PrepareStep,
  type StateVector,
  type StepOptions,
  type StepPiece,
  stateVectors,
  stepScratch,
} from './optimizerStep.ts';
export type { StepGroup, StepGroups } from './parameterGroups.ts';
export { ruleOf } from './ruleOf.ts';
export {
  type AdamWSettings,
  type LarsSettings,
  momentCount,
  type OptimizerSettings,
  optimizerSection,
  type SgdSettings,
} from './section.ts';
export {
  buildOptimizerModel,
  deviceScalars,
  deviceScalarValues,
  deviceUpdateGraph,
  type GraphParameters,
} from './updateGraph.ts';
export { openJavaScriptUpdates, openUpdateKernels, type UpdateElements, type UpdateKernels } from './updateKernels.ts';
export type { Norms, ScalarInputs, UpdateKernel, UpdateRule } from './updateRule.ts';
