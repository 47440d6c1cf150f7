export { type Permutation, permutation } from './permutation.ts';
export { philox } from './philox.ts';
export { PURPOSES, type Purpose, type RandomStream, randomStream, type StreamAddress } from './stream.ts';
