// Tiles of float32: one chain of multiply-adds over k.
#include "finish.c"
#include "pack.c"

typedef Floats Tile[TILE_ROWS][TILE_VECTORS];

#define EACH_ROW _Pragma("GCC unroll 8") for (int i = 0; i < TILE_ROWS; i++)
#define EACH_VECTOR EACH_ROW _Pragma("GCC unroll 3") for (int v = 0; v < TILE_VECTORS; v++)

// tile += the rows at `left` times right [depth][TILE_COLUMNS]: TILE_ROWS * TILE_VECTORS chains, kept in registers.
INLINE void chain(Tile tile, const float *const left[TILE_ROWS], long k_step, const float *right, long depth) {
  long at = 0;
#pragma GCC unroll 4
  for (long k = 0; k < depth; k++, at += k_step, right += TILE_COLUMNS) {
    Floats line[TILE_VECTORS];
    for (int v = 0; v < TILE_VECTORS; v++) line[v] = load(right + v * WIDTH);
    EACH_ROW {
      const Floats x = all(left[i][at]);
#pragma GCC unroll 3
      for (int v = 0; v < TILE_VECTORS; v++) tile[i][v] = multiply_add(x, line[v], tile[i][v]);
    }
  }
}

// Finishes a whole tile in registers.
INLINE void finish_whole(const Target *t, Tile tile, Place place, int kind) {
  EACH_VECTOR finish_vector(t, tile[i][v], (place.row + i) * t->stride + place.column + v * WIDTH, place.column + v * WIDTH, WIDTH, 0, kind);
}

INLINE void multiply_float32(const float *const rows[TILE_ROWS], long k_step, const float *right, long depth, float *sums, int is_later,
                             const Target *t, Place place) {
  Tile tile;
  EACH_VECTOR tile[i][v] = is_later ? load(sums + i * TILE_COLUMNS + v * WIDTH) : all(0);
  chain(tile, rows, k_step, right, depth);
  const int is_whole = t && place.end_row - place.row >= TILE_ROWS && place.end_column - place.column >= TILE_COLUMNS;
  if (is_whole && !t->finish.slope) {
    if (t->finish.factor) finish_whole(t, tile, place, 2);
    else finish_whole(t, tile, place, 0);
    return;
  }
  EACH_VECTOR store(sums + i * TILE_COLUMNS + v * WIDTH, tile[i][v]);
  if (t) finish_tile(t, sums, TILE_ROWS, TILE_COLUMNS, place.row, place.end_row, place.column, place.end_column);
}

INLINE void multiply_tiles_float32(const Panels *left, const float *right, long depth, float *sums, long tile_step, int is_later,
                                   const Target *t, Place place) {
  const float *data = left->data;
  for (; place.row < place.end_row; place.row += TILE_ROWS, data += left->next, sums += tile_step) {
    // Rows that are not there are read from the last one; nothing is stored of them.
    const long last = place.end_row - place.row - 1;
    const float *at[TILE_ROWS];
    EACH_ROW at[i] = data + (i < last ? i : last) * left->i_step;
    multiply_float32(at, left->k_step, right, depth, sums, is_later, t, place);
  }
}

static void multiply_column_float32(const Panels *left, const char *right, long depth, float *tiles, long tile_step, int is_later,
                                    const Target *t, Place place) {
  if (is_later) multiply_tiles_float32(left, (const float *)right, depth, tiles, tile_step, 1, t, place);
  else multiply_tiles_float32(left, (const float *)right, depth, tiles, tile_step, 0, t, place);
}

static const Product FLOAT32_PRODUCT = {
  .rows = TILE_ROWS, .columns = TILE_COLUMNS, .k_multiple = 1, .copies = 1, .element_bytes = 4, .pack = pack_float32,
  .multiply_column = multiply_column_float32,
};
