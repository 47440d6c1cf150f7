import { cast, div, exp, greater, greaterOrEqual, less, lessOrEqual, mul, neg, pow, sub, where } from '../ops/elementwise.ts';
import { binary, unary, type Vjps } from '../rule.ts';
import { unbroadcast } from './unbroadcast.ts';

/** Derivatives of the element-wise ops. `d` is the cotangent of the output `y`. */
export const elementwiseVjps = {
  Add: binary((d, a, b) => [() => unbroadcast(d, a), () => unbroadcast(d, b)]),
  Sub: binary((d, a, b) => [() => unbroadcast(d, a), () => unbroadcast(neg(d), b)]),
  Mul: binary((d, a, b) => [() => unbroadcast(mul(d, b), a), () => unbroadcast(mul(d, a), b)]),
  Div: binary((d, a, b, y) => [() => unbroadcast(div(d, b), a), () => unbroadcast(neg(div(mul(d, y), b)), b)]),
  // The exponent's own gradient is y·ln(a); no model here needs it.
  Pow: binary((d, a, b) => [() => unbroadcast(mul(d, mul(b, pow(a, sub(b, 1)))), a)]),
  Max: binary((d, a, b) => [() => unbroadcast(where(greaterOrEqual(a, b), d, 0), a), () => unbroadcast(where(less(a, b), d, 0), b)]),
  Min: binary((d, a, b) => [() => unbroadcast(where(lessOrEqual(a, b), d, 0), a), () => unbroadcast(where(greater(a, b), d, 0), b)]),

  Neg: unary((d) => neg(d)),
  Reciprocal: unary((d, _, y) => neg(mul(d, mul(y, y)))),
  Sqrt: unary((d, _, y) => div(mul(d, 0.5), y)),
  Exp: unary((d, _, y) => mul(d, y)),
  Log: unary((d, x) => div(d, x)),
  Tanh: unary((d, _, y) => mul(d, sub(1, mul(y, y)))),
  Erf: unary((d, x) => mul(d, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  Identity: unary((d) => d),
  Cast: unary((d, x) => cast(d, x.dtype)),

  Where: ({ cotangents: [d], inputs: [condition, a, b] }) => [
    undefined,
    () => unbroadcast(where(condition!, d!, 0), a!),
    () => unbroadcast(where(condition!, 0, d!), b!),
  ],
} satisfies Vjps;
