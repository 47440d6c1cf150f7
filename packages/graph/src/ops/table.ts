import type { ShapeRules } from '../rule.ts';
import { elementwiseShapes } from './elementwise.ts';
import { linalgShapes } from './linalg.ts';
import { movementShapes } from './movement.ts';
import { reductionShapes } from './reduction.ts';

/** Shape rules of every op of the package, by ONNX name. To add an op, add a row in its file, its derivative and a row to the tests. */
export const SHAPES: ShapeRules = { ...elementwiseShapes, ...linalgShapes, ...movementShapes, ...reductionShapes };
