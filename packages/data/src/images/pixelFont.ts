/** Size of a letter in pixels, without the gap to the next. */
export const GLYPH_WIDTH = 3;
export const GLYPH_HEIGHT = 5;

/**
 * Rows from top to bottom, three bits each, written as octal digits: 7 is all three pixels, 4 the left one. Our own glyphs, so that
 * pictures need no font.
 */
const GLYPHS: Readonly<Record<string, string>> = {
  A: '25755',
  B: '65656',
  C: '34443',
  D: '65556',
  E: '74647',
  F: '74644',
  G: '34553',
  H: '55755',
  I: '72227',
  J: '11152',
  K: '55655',
  L: '44447',
  M: '57755',
  N: '65555',
  O: '25552',
  P: '65644',
  Q: '25563',
  R: '65655',
  S: '34216',
  T: '72222',
  U: '55557',
  V: '55552',
  W: '55775',
  X: '55255',
  Y: '55222',
  Z: '71247',
  0: '75557',
  1: '26227',
  2: '61247',
  3: '61216',
  4: '55711',
  5: '74616',
  6: '34757',
  7: '71244',
  8: '75757',
  9: '75716',
  '.': '00002',
  ',': '00024',
  ':': '02020',
  '-': '00700',
  '+': '02720',
  '%': '51245',
  '/': '11244',
  '(': '12221',
  ')': '42224',
  '=': '07070',
  '#': '57575',
};

/** Returns the pixels to ink for `text` on one line; letters become capitals, characters without a glyph become spaces. */
export function glyphPixels(text: string): { readonly x: number; readonly y: number }[] {
  return [...text.toUpperCase()].flatMap((letter, place) =>
    [...(GLYPHS[letter] ?? '')].flatMap((row, y) =>
      [4, 2, 1].flatMap((bit, x) => (Number(row) & bit ? [{ x: place * (GLYPH_WIDTH + 1) + x, y }] : [])),
    ),
  );
}
