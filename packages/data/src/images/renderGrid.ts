import { assertInternal } from '@maestro/protocol';
import { encodePng } from './imageCodec.ts';
import type { Normalisation } from './normalisation.ts';
import { GLYPH_HEIGHT, GLYPH_WIDTH, glyphPixels } from './pixelFont.ts';

const BACKGROUND = 24;
const INK = 220;

/** Options of {@link renderGrid}. */
export interface GridOptions {
  /** Rows of tiles, each tile normalised planes [C, size, size]; rows may differ in length. */
  readonly rows: readonly (readonly Float32Array[])[];
  /** Side of a tile in pixels. */
  readonly size: number;
  readonly channels: 1 | 3;
  /** Normalisation of the tiles, to be inverted. */
  readonly normalisation: Normalisation;
  /** Integer factor by which tiles are enlarged, every pixel staying a sharp square (default 4). */
  readonly scale?: number;
  /** Pixels between tiles and around them (default 4). */
  readonly gap?: number;
  /** A title for each column, in capitals; truncated when wider than the column. */
  readonly header?: readonly string[];
}

/** Draws tiles as a PNG, for reconstruction pictures. Values outside black..white are clipped. */
export async function renderGrid({
  rows,
  size,
  channels,
  normalisation: { mean, std },
  scale = 4,
  gap = 4,
  header,
}: GridOptions): Promise<Uint8Array> {
  assertInternal(Number.isInteger(scale) && scale >= 1 && rows.length > 0, 'renderGrid: a whole scale of at least 1, and rows to draw');
  const side = size * scale;
  const columns = Math.max(...rows.map((row) => row.length));
  const longestTitle = Math.max(1, ...(header ?? []).map((title) => title.length));
  const letterScale = Math.max(1, Math.min(Math.floor(side / 32), Math.floor(side / (longestTitle * (GLYPH_WIDTH + 1)))));
  const headerHeight = header === undefined ? 0 : GLYPH_HEIGHT * letterScale + gap;
  const width = columns * (side + gap) + gap;
  const height = headerHeight + rows.length * (side + gap) + gap;
  const canvas = new Uint8Array(width * height * 3).fill(BACKGROUND);

  const left = (column: number) => gap + column * (side + gap);
  rows.forEach((row, rowIndex) => {
    row.forEach((tile, column) => {
      assertInternal(
        tile.length === channels * size * size,
        `renderGrid: a tile of ${tile.length} values, not ${channels} x ${size} x ${size}`,
      );
      const top = headerHeight + gap + rowIndex * (side + gap);
      for (let y = 0; y < side; y++) {
        for (let x = 0; x < side; x++) {
          const pixel = Math.floor(y / scale) * size + Math.floor(x / scale);
          for (let c = 0; c < 3; c++) {
            const plane = channels === 1 ? 0 : c;
            const value = tile[plane * size * size + pixel]! * std[plane]! + mean[plane]!;
            canvas[((top + y) * width + left(column) + x) * 3 + c] = Math.round(255 * Math.min(1, Math.max(0, value)));
          }
        }
      }
    });
  });
  header?.slice(0, columns).forEach((title, column) => {
    const letters = Math.floor(side / ((GLYPH_WIDTH + 1) * letterScale));
    for (const { x, y } of glyphPixels(title.slice(0, letters))) {
      for (let i = 0; i < letterScale * letterScale; i++) {
        const px = left(column) + x * letterScale + (i % letterScale);
        const py = gap + y * letterScale + Math.floor(i / letterScale);
        canvas.fill(INK, (py * width + px) * 3, (py * width + px) * 3 + 3);
      }
    }
  });
  return encodePng(canvas, width, height);
}
