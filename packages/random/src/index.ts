export { type Permutation, permutation } from './permutation.ts';
export { type Purpose, type RandomStream, type RecipePurpose, randomStream, type StreamAddress } from './stream.ts';
