// What happens to a tile before it is stored: bias, residual, GELU, type.
#include "activation.h"
#include "gemm.h"

// One vector of the result: `at` is its place in y, `n` how many of its lanes there are.
INLINE void finish_vector(const Target *t, Floats x, long at, long column, long n, int is_bfloat16, int kind) {
  const Finish *f = &t->finish;
  if (f->bias) x = x + load_part(f->bias + column, n);
  if (f->residual) x = x + load_part(f->residual + at, n);
  if (kind == 1) {
    Floats slope;
    x = gelu(x, &slope);
    if (is_bfloat16) store_bfloat16((bfloat16 *)f->slope + at, slope, n);
    else store_part((float *)f->slope + at, slope, n);
  }
  if (kind == 2) x = x * (is_bfloat16 ? load_bfloat16((const bfloat16 *)f->factor + at, n) : load_part((const float *)f->factor + at, n));
  if (is_bfloat16) store_bfloat16((bfloat16 *)t->y + at, x, n);
  else store_part((float *)t->y + at, x, n);
}

INLINE void finish_rows(const Target *t, const float *tile, int columns, long row, long rows, long column, long end, int is_bfloat16, int kind) {
  for (long i = 0; i < rows; i++)
    for (int j = 0; j < columns && column + j < end; j += WIDTH)
      finish_vector(t, load(tile + i * columns + j), (row + i) * t->stride + column + j, column + j, end - column - j, is_bfloat16, kind);
}

// Stores the part of a tile at (row, column) that lies before end_row and end_column. Each case is compiled by itself.
static void finish_tile(const Target *t, const float *tile, int tile_rows, int columns, long row, long end_row, long column, long end) {
  const long rows = end_row - row < tile_rows ? end_row - row : tile_rows;
  const int kind = t->finish.slope ? 1 : t->finish.factor ? 2 : 0;
  switch (kind + (t->is_bfloat16 ? 3 : 0)) {
    case 0: finish_rows(t, tile, columns, row, rows, column, end, 0, 0); break;
    case 1: finish_rows(t, tile, columns, row, rows, column, end, 0, 1); break;
    case 2: finish_rows(t, tile, columns, row, rows, column, end, 0, 2); break;
    case 3: finish_rows(t, tile, columns, row, rows, column, end, 1, 0); break;
    case 4: finish_rows(t, tile, columns, row, rows, column, end, 1, 1); break;
    default: finish_rows(t, tile, columns, row, rows, column, end, 1, 2); break;
  }
}
