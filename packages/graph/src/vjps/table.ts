import type { Vjps } from '../rule.ts';
import { elementwiseVjps } from './elementwise.ts';
import { linalgVjps } from './linalg.ts';
import { movementVjps } from './movement.ts';
import { reductionVjps } from './reduction.ts';

/** The derivatives of all ops that have one, by ONNX name. */
export const VJPS: Vjps = { ...elementwiseVjps, ...linalgVjps, ...movementVjps, ...reductionVjps };
