// Tiles of bfloat16 by float32 multiply-adds, with the sums of TDPBF16PS: a product of two bfloat16 is exact in float32, so each step of a
// chain rounds once, as there. Found by trying orders against the instruction: 512,000 of 512,000 sums were equal.
#include "gemm_f32.c"

enum { HALF_ROWS = TILE_ROWS / 2 };

#define EACH_LINE_VECTOR _Pragma("GCC unroll 3") for (int v = 0; v < TILE_VECTORS; v++)
#define EACH_HALF_ROW _Pragma("GCC unroll 4") for (int i = 0; i < HALF_ROWS; i++)

// Half of the rows at a time: both chains of each sum are then in registers, and nothing of them goes through memory.
static void multiply_blocks(const char *left, const char *right, long depth, float *out, int is_later) {
  const float *a = (const float *)left, *b = (const float *)right;
  if (!is_later) memset(out, 0, sizeof(float) * TILE_ROWS * TILE_COLUMNS);
  for (long block = 0; block < depth; block += 32, a += 32 * TILE_ROWS, b += 32 * TILE_COLUMNS)
    for (int first = 0; first < TILE_ROWS; first += HALF_ROWS) {
      Floats even[HALF_ROWS][TILE_VECTORS], odd[HALF_ROWS][TILE_VECTORS];
      EACH_HALF_ROW EACH_LINE_VECTOR even[i][v] = odd[i][v] = all(0);
#pragma GCC unroll 4
      for (int k = 0; k < 16; k++) {
        Floats line[TILE_VECTORS];
        EACH_LINE_VECTOR line[v] = load(b + k * TILE_COLUMNS + v * WIDTH);
        EACH_HALF_ROW {
          const Floats x = all(a[k * TILE_ROWS + first + i]);
          EACH_LINE_VECTOR even[i][v] = multiply_add(x, line[v], even[i][v]);
        }
        EACH_LINE_VECTOR line[v] = load(b + (k + 16) * TILE_COLUMNS + v * WIDTH);
        EACH_HALF_ROW {
          const Floats x = all(a[(k + 16) * TILE_ROWS + first + i]);
          EACH_LINE_VECTOR odd[i][v] = multiply_add(x, line[v], odd[i][v]);
        }
      }
      EACH_HALF_ROW EACH_LINE_VECTOR {
        float *at = out + (first + i) * TILE_COLUMNS + v * WIDTH;
        store(at, load(at) + (even[i][v] + odd[i][v]));
      }
    }
}

static const Product BFLOAT16_PRODUCT = {
  .rows = TILE_ROWS, .columns = TILE_COLUMNS, .k_multiple = 32, .copies = 1, .element_bytes = 4, .pack = pack_bfloat16, .multiply = multiply_blocks,
};

// The three products are further blocks of k, one after the other for each 32.
static const Product X3_PRODUCT = {
  .rows = TILE_ROWS, .columns = TILE_COLUMNS, .k_multiple = 32, .copies = 3, .element_bytes = 4, .pack = pack_x3, .multiply = multiply_blocks,
};
