// Tiles of bfloat16 by float32 multiply-adds, with the sums of TDPBF16PS: a product of two bfloat16 is exact in float32, so each step of a
// chain rounds once, as there. Found by trying orders against the instruction: 512,000 of 512,000 sums were equal.
#include "gemm_f32.c"

static void multiply_blocks(const char *left, const char *right, long depth, float *out, int is_later) {
  const float *a = (const float *)left, *b = (const float *)right;
  if (!is_later) memset(out, 0, sizeof(float) * TILE_ROWS * TILE_COLUMNS);
  for (long block = 0; block < depth; block += 32) {
    Tile even, odd;
    float kept[TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));
    EACH_VECTOR even[i][v] = all(0);
    chain(even, a, b, 16);
    EACH_VECTOR store(kept + i * TILE_COLUMNS + v * WIDTH, even[i][v]);
    EACH_VECTOR odd[i][v] = all(0);
    chain(odd, a + 16 * TILE_ROWS, b + 16 * TILE_COLUMNS, 16);
    EACH_VECTOR {
      const long at = i * TILE_COLUMNS + v * WIDTH;
      store(out + at, load(out + at) + (load(kept + at) + odd[i][v]));
    }
    a += 32 * TILE_ROWS;
    b += 32 * TILE_COLUMNS;
  }
}

static const Product BFLOAT16_PRODUCT = {
  .rows = TILE_ROWS, .columns = TILE_COLUMNS, .k_multiple = 32, .copies = 1, .element_bytes = 4, .pack = pack_bfloat16, .multiply = multiply_blocks,
};

// The three products are further blocks of k, one after the other for each 32.
static const Product X3_PRODUCT = {
  .rows = TILE_ROWS, .columns = TILE_COLUMNS, .k_multiple = 32, .copies = 3, .element_bytes = 4, .pack = pack_x3, .multiply = multiply_blocks,
};
