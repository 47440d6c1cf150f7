import type { BinaryOperator } from './ast.ts';

/** An operator on two numbers. */
export type NumberOperator = Exclude<BinaryOperator, 'and' | 'or' | 'unless'>;

/** True for an operator on the presence of series, not their values. */
export function isSetOperator(op: BinaryOperator): op is 'and' | 'or' | 'unless' {
  return op === 'and' || op === 'or' || op === 'unless';
}

/** True for a comparison operator. */
export function isComparison(op: BinaryOperator): boolean {
  return /[=<>]/.test(op);
}

/** Applies an operator: returns a number, or whether a comparison holds. Division by 0 gives NaN, as in Loki. */
export function calculate(op: NumberOperator, left: number, right: number): number | boolean {
  switch (op) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return right === 0 ? Number.NaN : left / right;
    case '%':
      return right === 0 ? Number.NaN : left % right;
    case '^':
      return left ** right;
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
  }
}
