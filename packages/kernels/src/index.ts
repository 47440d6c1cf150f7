export { type Arena, type ArenaOptions, openArena } from './arena.ts';
export { openJavaScriptKernels } from './javaScriptKernels.ts';
export { type Kernels, openKernels, SUM_SQUARES_BLOCK, sumLanes } from './kernels.ts';
export { openPixelArena, PIXEL_SLACK_BYTES, type PixelArena, type PixelKernels } from './pixelKernels.ts';
export { maxSegmentFloats, planSegments, prefixPlan, type Segment, type SegmentPlan } from './planSegments.ts';
export {
  addFloats,
  blockSumSquares,
  copyFloats,
  copyRange,
  type FloatPart,
  type FloatRange,
  openSegments,
  type SegmentedArena,
  type SegmentedArenaDescription,
  type SegmentedFloats,
  sliceParts,
} from './segmentedFloats.ts';
export { fillUniforms } from './uniforms.ts';
export { isShared, openModule, type WasmMemory, webAssembly } from './webAssembly.ts';
export { openXxh3 } from './xxh3.ts';
