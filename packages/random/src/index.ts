export { type Permutation, permutation } from './permutation.ts';
export { philox } from './philox.ts';
export { PURPOSES, type Purpose, type RandomStream, type RecipePurpose, randomStream, type StreamAddress } from './stream.ts';
