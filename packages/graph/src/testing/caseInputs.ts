import type { Dims } from '../dim.ts';
import { type CaseInput, concreteShape, samples } from './opCase.ts';

const sizeOf = (dims: Dims) => concreteShape(dims).reduce((product, size) => product * size, 1);
/** A float input with fixed values of both signs. */
export const input = (dims: Dims, seed = 1): CaseInput => ({ dims, values: samples(sizeOf(dims), { seed }) });
/** The same with positive values. */
export const positive = (dims: Dims, seed = 1): CaseInput => ({ dims, values: samples(sizeOf(dims), { seed, isPositive: true }) });
/** An input of truth values. */
export const bools = (dims: Dims, values: readonly number[]): CaseInput => ({ dims, dtype: 'bool', values });
/** An input of whole numbers. */
export const ints = (dims: Dims, values: readonly number[]): CaseInput => ({ dims, dtype: 'int64', values });

/** Elements counting from 0, for ops that only move them. */
export const counted = (dims: Dims): CaseInput => ({ dims, values: Array.from({ length: sizeOf(dims) }, (_, at) => at) });
