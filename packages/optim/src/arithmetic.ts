/** Arithmetic on numbers of any kind: JavaScript's, lines of WebAssembly, tensors of a graph. */
export interface Arithmetic<Value> {
  add(a: Value, b: Value): Value;
  sub(a: Value, b: Value): Value;
  mul(a: Value, b: Value): Value;
  div(a: Value, b: Value): Value;
  sqrt(x: Value): Value;
}

/** What an update of one element is made of. Each operation rounds its result to float32, once. */
export interface ElementArithmetic<Value> extends Arithmetic<Value> {
  /**
   * The same value, for one whose memory the result takes over and that the last operation reads: WebGPU refuses to read and write one
   * tensor in one operation, so a graph that works in place multiplies it with 1 here.
   */
  keep(x: Value): Value;
}

/** What the scalars of a step are made of, in float64; they are rounded to float32 once they are done. */
export interface ScalarArithmetic<Value> extends Arithmetic<Value> {
  constant(value: number): Value;
  /** `base` to a whole power of 1 or more. */
  power(base: number, exponent: Value): Value;
  /** `then` where `x` is above zero, else `otherwise`. */
  whenPositive(x: Value, then: Value, otherwise: Value): Value;
}

/** Scalars as JavaScript's numbers. */
export const NUMBERS: ScalarArithmetic<number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  sqrt: Math.sqrt,
  constant: (value) => value,
  power,
  whenPositive: (x, then, otherwise) => (x > 0 ? then : otherwise),
};

/** By squaring: multiplications only, so that no math library can change a bit (`**` may differ between engines). */
function power(base: number, exponent: number): number {
  let result = 1;
  for (let square = base, rest = exponent; rest > 0; rest = Math.floor(rest / 2), square *= square) {
    if (rest % 2 === 1) result *= square;
  }
  return result;
}
