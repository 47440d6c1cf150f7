// Tiles of float32: one chain of multiply-adds over k.
#include "pack.c"

typedef Floats Tile[TILE_ROWS][TILE_VECTORS];

// tile += left [depth][TILE_ROWS] times right [depth][TILE_COLUMNS]: TILE_ROWS * TILE_VECTORS chains, kept in registers.
INLINE void chain(Tile tile, const float *left, const float *right, long depth) {
#pragma GCC unroll 4
  for (long k = 0; k < depth; k++, left += TILE_ROWS, right += TILE_COLUMNS) {
    Floats line[TILE_VECTORS];
    for (int v = 0; v < TILE_VECTORS; v++) line[v] = load(right + v * WIDTH);
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++) {
      const Floats x = all(left[i]);
#pragma GCC unroll 3
      for (int v = 0; v < TILE_VECTORS; v++) tile[i][v] = multiply_add(x, line[v], tile[i][v]);
    }
  }
}

#define EACH_VECTOR                                           \
  _Pragma("GCC unroll 8") for (int i = 0; i < TILE_ROWS; i++) \
      _Pragma("GCC unroll 3") for (int v = 0; v < TILE_VECTORS; v++)

static void multiply_float32(const char *left, const char *right, long depth, float *out, int is_later) {
  Tile tile;
  EACH_VECTOR tile[i][v] = is_later ? load(out + i * TILE_COLUMNS + v * WIDTH) : all(0);
  chain(tile, (const float *)left, (const float *)right, depth);
  EACH_VECTOR store(out + i * TILE_COLUMNS + v * WIDTH, tile[i][v]);
}

static const Product FLOAT32_PRODUCT = {
  .rows = TILE_ROWS, .columns = TILE_COLUMNS, .k_multiple = 1, .copies = 1, .element_bytes = 4, .pack = pack_float32, .multiply = multiply_float32,
};
