export { type CustomVjp, customVjp, stopGradient } from './customVjp.ts';
export {
  type Dim,
  type Dims,
  dimProduct,
  dimQuotient,
  formatDims,
} from './dim.ts';
export { type ConstantData, DTYPES, type DType } from './dtype.ts';
export {
  CUSTOM_DOMAIN,
  encodeModel,
  encodeModelChunks,
  encodeStages,
  IR_VERSION,
  OPSET,
} from './encodeModel.ts';
export { grad } from './grad.ts';
export {
  type Attribute,
  type Attributes,
  Graph,
  type GraphPrecision,
  type Node,
  type Tensor,
  type ValueType,
} from './graph.ts';
export { GraphError } from './graphError.ts';
export { attention } from './nn/attention.ts';
export { layerNorm } from './nn/layerNorm.ts';
export { type LinearOptions, linear } from './nn/linear.ts';
export { foldedGelu, gelu, type MlpParameters, mlp } from './nn/mlp.ts';
export { permuteRows, takeRows } from './nn/permuteRows.ts';
export * from './ops/elementwise.ts';
export * from './ops/linalg.ts';
export * from './ops/movement.ts';
export * from './ops/reduction.ts';
export { SHAPES } from './ops/table.ts';
export { printGraph } from './printGraph.ts';
export { liveProgram, type Program } from './program.ts';
export { VJPS } from './vjps/table.ts';
