/** Multiply-adds of a transformer block on `tokens` tokens of `width`. */
export function blockFlops(tokens: number, width: number, mlpRatio: number): number {
  const linear = tokens * width * width * (4 + 2 * mlpRatio);
  const attention = 2 * tokens * tokens * width;
  return linear + attention;
}
