import type { BinaryOperator } from './ast.ts';

/** An operator that takes two numbers. */
export type NumberOperator = Exclude<BinaryOperator, 'and' | 'or' | 'unless'>;

/** Whether an operator goes by which series there are, not by their values. */
export function isSetOperator(op: BinaryOperator): op is 'and' | 'or' | 'unless' {
  return op === 'and' || op === 'or' || op === 'unless';
}

/** Whether an operator compares. */
export function isComparison(op: BinaryOperator): boolean {
  return /[=<>]/.test(op);
}

/** The result of an operator: a number, or whether a comparison holds. What is divided by 0 is no number, as Loki has it. */
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
