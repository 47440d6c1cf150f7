export { type BuildOptions, buildNative, findNative, type NativeBuild } from './buildNative.ts';
export type { ExchangeKernels, Summation, SummationOptions } from './exchangeKernels.ts';
export { holdLibrary } from './holdLibrary.ts';
export { type ImageBox, loadNativeImages, type NativeImages, type NativeTaps } from './nativeImages.ts';
export {
  loadNative,
  type NativeAttributes,
  type NativeLibrary,
  type NativePiece,
  type NativeTensor,
  type StepRule,
} from './nativeLibrary.ts';
export { describeNative, type NativeDescription, openNative, prepareNative } from './openNative.ts';
export { openNativeImages } from './openNativeImages.ts';
export {
  NATIVE_OPERATORS,
  type NativeLayer,
  type NativeOperator,
  nativeOperator,
  OPERATORS_VERSION,
  PRECISIONS,
  type Precision,
} from './operators.ts';
export { releaseMemory } from './releaseMemory.ts';
