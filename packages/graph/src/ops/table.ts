import type { Rule } from '../rule.ts';
import { elementwiseRules } from './elementwise.ts';
import { linalgRules } from './linalg.ts';
import { movementRules } from './movement.ts';
import { reductionRules } from './reduction.ts';

/** Every op of the package: ONNX name to shape rule and vjp. To add an op, add a row in its file and one to the tests. */
export const OPS: Readonly<Record<string, Rule>> = {
  ...elementwiseRules,
  ...linalgRules,
  ...movementRules,
  ...reductionRules,
};
