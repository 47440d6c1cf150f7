import type { NativeAttributes, NativeTensor } from '../nativeLibrary.ts';

/** The operators in float64, in the plainest loops: what the library is tested against. Matrices are row-major. */
type Matrix = { readonly rows: number; readonly columns: number; readonly at: Float64Array };

/** A tensor's numbers as float64; products at bfloat16 round their operands first, which `rounded` asks for. */
export function toMatrix({ dims, data }: NativeTensor, rounded = false): Matrix {
  const columns = dims.at(-1)!;
  const floats = data instanceof Uint16Array ? fromBfloat16(data) : data;
  return { rows: data.length / columns, columns, at: Float64Array.from(rounded ? roundedFloats(floats) : floats) };
}

/** bfloat16's bits as floats. */
export function fromBfloat16(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (word) => word << 16).buffer);
}

function roundedFloats(floats: Float32Array): Float32Array {
  const words = new Uint32Array(Float32Array.from(floats).buffer);
  return new Float32Array(Uint32Array.from(words, (word) => ((word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000) >>> 0).buffer);
}

function filled(rows: number, columns: number, value: (r: number, c: number) => number): Matrix {
  const at = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) at[r * columns + c] = value(r, c);
  return { rows, columns, at };
}

const get = (m: Matrix, r: number, c: number): number => m.at[r * m.columns + c]!;

function sum(count: number, term: (k: number) => number): number {
  let total = 0;
  for (let k = 0; k < count; k++) total += term(k);
  return total;
}

/** erf by its series, or its continued fraction's complement: 1e-15. */
function erf(x: number): number {
  if (Math.abs(x) > 3) {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / 2 / (Math.abs(x) + fraction);
    return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / (Math.abs(x) + fraction));
  }
  let term = x;
  let total = x;
  for (let k = 1; k < 80; k++) {
    term *= (-x * x) / k;
    total += term / (2 * k + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

const phi = (u: number): number => 0.5 * (1 + erf(u * Math.SQRT1_2));
const gelu = (u: number): number => u * phi(u);
const geluGrad = (u: number): number => phi(u) + (u * Math.exp((-u * u) / 2)) / Math.sqrt(2 * Math.PI);

/** The outputs of an operator. `rounded` as in {@link toMatrix}, for the operands of products. */
export function reference(name: string, inputs: readonly NativeTensor[], attributes: NativeAttributes, rounded: boolean): Matrix[] {
  const m = inputs.map((each) => toMatrix(each));
  const p = inputs.map((each) => toMatrix(each, rounded));
  if (name.startsWith('NormGrad')) return normGrad(m);
  if (name.startsWith('Norm')) return norm(m, attributes.epsilon ?? 1e-6);
  if (name.startsWith('AttendGrad')) return attendGrad(m, attributes);
  if (name.startsWith('Attend')) return attend(m[0]!, attributes);
  if (name.includes('Grad')) return linearGrad(m, p);
  return linear(name, m, p);
}

function linear(name: string, m: readonly Matrix[], p: readonly Matrix[]): Matrix[] {
  const [x, w] = p as [Matrix, Matrix];
  const u = filled(x.rows, w.rows, (r, c) => {
    const product = sum(x.columns, (k) => get(x, r, k) * get(w, c, k)) + m[2]!.at[c]!;
    return m[3] === undefined ? product : product + get(m[3], r, c);
  });
  return name.startsWith('LinearGelu') ? [gelu, geluGrad].map((of) => filled(u.rows, u.columns, (r, c) => of(get(u, r, c)))) : [u];
}

function linearGrad(m: readonly Matrix[], [dy, x, w]: readonly Matrix[]): Matrix[] {
  const dw = filled(dy!.columns, x!.columns, (n, k) => sum(x!.rows, (r) => get(dy!, r, n) * get(x!, r, k)));
  const dbias = filled(1, dy!.columns, (_, n) => sum(dy!.rows, (r) => get(m[0]!, r, n)));
  if (w === undefined) return [dw, dbias];
  const slope = m[3];
  const dx = filled(x!.rows, x!.columns, (r, k) => {
    const product = sum(w.rows, (n) => get(dy!, r, n) * get(w, n, k));
    return slope === undefined ? product : product * get(slope, r, k);
  });
  return [dx, dw, dbias];
}

function norm([x, gain, bias]: readonly Matrix[], epsilon: number): Matrix[] {
  const D = x!.columns;
  const stats = filled(x!.rows, 2, () => 0);
  for (let r = 0; r < x!.rows; r++) {
    const mean = sum(D, (c) => get(x!, r, c)) / D;
    stats.at[2 * r] = mean;
    stats.at[2 * r + 1] = 1 / Math.sqrt(sum(D, (c) => (get(x!, r, c) - mean) ** 2) / D + epsilon);
  }
  return [filled(x!.rows, D, (r, c) => (get(x!, r, c) - get(stats, r, 0)) * get(stats, r, 1) * gain!.at[c]! + bias!.at[c]!), stats];
}

function normGrad([dy, x, stats, gain, residual]: readonly Matrix[]): Matrix[] {
  const D = x!.columns;
  const h = filled(x!.rows, D, (r, c) => (get(x!, r, c) - get(stats!, r, 0)) * get(stats!, r, 1));
  const w = filled(x!.rows, D, (r, c) => get(dy!, r, c) * gain!.at[c]!);
  const means = filled(x!.rows, 2, (r, which) => sum(D, (c) => get(w, r, c) * (which === 0 ? 1 : get(h, r, c))) / D);
  const dx = filled(x!.rows, D, (r, c) => {
    const value = (get(w, r, c) - get(means, r, 0) - get(h, r, c) * get(means, r, 1)) * get(stats!, r, 1);
    return residual === undefined ? value : value + get(residual, r, c);
  });
  const dgain = filled(1, D, (_, c) => sum(x!.rows, (r) => get(dy!, r, c) * get(h, r, c)));
  return [dx, dgain, filled(1, D, (_, c) => sum(x!.rows, (r) => get(dy!, r, c)))];
}

/** Where a head's q, k and v lie in qkv: (which, sequence, token, head, d). */
function partOf(qkv: Matrix, { tokens = 0, heads = 1 }: NativeAttributes) {
  const D = qkv.columns / 3;
  const head = D / heads;
  return {
    D,
    head,
    column: (which: number, h: number, d: number): number => which * D + h * head + d,
    value: (which: number, n: number, t: number, h: number, d: number): number => get(qkv, n * tokens + t, which * D + h * head + d),
  };
}

/** The shares that query `row` gives to the tokens: exp(score + shift) factor, with shift and factor of its row in `stats`. */
function sharesOf(
  qkv: Matrix,
  row: number,
  attributes: NativeAttributes,
  stats?: Matrix,
): { readonly shares: number[]; readonly stats: number[] } {
  const { tokens = 0, heads = 1, from = 0 } = attributes;
  const { head, value } = partOf(qkv, attributes);
  const asked = tokens - from;
  const [n, h, t] = [Math.floor(row / asked / heads), Math.floor(row / asked) % heads, from + (row % asked)];
  const scores = Array.from({ length: tokens }, (_, c) => sum(head, (d) => value(0, n, t, h, d) * value(1, n, c, h, d)) / Math.sqrt(head));
  const shift = stats === undefined ? -Math.max(...scores) : get(stats, row, 0);
  const factor = stats === undefined ? 1 / sum(tokens, (c) => Math.exp(scores[c]! + shift)) : get(stats, row, 1);
  return { shares: scores.map((score) => Math.exp(score + shift) * factor), stats: [shift, factor] };
}

function attend(qkv: Matrix, attributes: NativeAttributes): Matrix[] {
  const { tokens = 0, heads = 1, from = 0 } = attributes;
  const { D, head, value } = partOf(qkv, attributes);
  const asked = tokens - from;
  const batch = qkv.rows / tokens;
  const rows = Array.from({ length: batch * heads * asked }, (_, row) => sharesOf(qkv, row, attributes));
  const y = filled(batch * asked, D, (row, column) => {
    const [n, t, h, d] = [Math.floor(row / asked), row % asked, Math.floor(column / head), column % head];
    return sum(tokens, (c) => rows[(n * heads + h) * asked + t]!.shares[c]! * value(2, n, c, h, d));
  });
  return [y, filled(rows.length, 2, (r, c) => rows[r]!.stats[c]!)];
}

function attendGrad([dy, qkv, stats]: readonly Matrix[], attributes: NativeAttributes): Matrix[] {
  const { tokens = 0, heads = 1, from = 0 } = attributes;
  const { head, value, column } = partOf(qkv!, attributes);
  const asked = tokens - from;
  const out = filled(qkv!.rows, qkv!.columns, () => 0);
  const scale = 1 / Math.sqrt(head);
  for (let n = 0; n < qkv!.rows / tokens; n++) {
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < asked; t++) {
        const { shares } = sharesOf(qkv!, (n * heads + h) * asked + t, attributes, stats);
        const answer = (d: number): number => get(dy!, n * asked + t, h * head + d);
        const dp = Array.from({ length: tokens }, (_, c) => sum(head, (d) => answer(d) * value(2, n, c, h, d)));
        const mean = sum(tokens, (c) => dp[c]! * shares[c]!);
        for (let c = 0; c < tokens; c++) {
          const ds = shares[c]! * scale * (dp[c]! - mean);
          for (let d = 0; d < head; d++) {
            out.at[(n * tokens + from + t) * out.columns + column(0, h, d)]! += ds * value(1, n, c, h, d);
            out.at[(n * tokens + c) * out.columns + column(1, h, d)]! += ds * value(0, n, from + t, h, d);
            out.at[(n * tokens + c) * out.columns + column(2, h, d)]! += shares[c]! * answer(d);
          }
        }
      }
    }
  }
  return [out];
}
