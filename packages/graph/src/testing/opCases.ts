import { elementwiseCases } from './elementwiseCases.ts';
import { linalgCases } from './linalgCases.ts';
import { movementCases } from './movementCases.ts';
import type { OpCase } from './opCase.ts';
import { reductionCases } from './reductionCases.ts';

/** Cases by ONNX op name; every row of the op table must be here. */
export const opCases: Readonly<Record<string, Readonly<Record<string, OpCase>>>> = {
  ...elementwiseCases,
  ...linalgCases,
  ...reductionCases,
  ...movementCases,
};
