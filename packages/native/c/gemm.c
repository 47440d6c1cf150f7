// The loops around the tiles, the same for all products.
#include "gemm_bf16.c"

// One product. Usually `right` is packed whole, by all threads; then each task takes a block of rows, which it packs unless they can be read
// where they are, and goes over the columns. With few rows it is the other way round, so that a packed block of the larger matrix is used
// while it is in the cache.
typedef struct {
  const Product *by;
  View left, right;
  long rows, columns, inner;
  const Target *target;
  char *packed;
} Gemm;

INLINE long up(long x, long multiple) { return (x + multiple - 1) / multiple * multiple; }
INLINE long least(long a, long b) { return a < b ? a : b; }

INLINE long depth_of(const Product *by, long k) { return up(k, by->k_multiple) * by->copies; }

// Bytes of a panel for k elements.
INLINE size_t panel_bytes(const Product *by, int wide, long k) { return (size_t)(up(k, by->k_multiple) * by->copies * by->element_bytes) * (size_t)wide; }

// Panels lie block of k by block of k; in a block, one after the other.
INLINE char *panel_at(const Product *by, char *packed, int wide, long panels, long k0, long inner, long panel) {
  const size_t before = panel_bytes(by, wide, k0) * (size_t)panels;
  return packed + before + panel_bytes(by, wide, least(BLOCK_K, inner - k0)) * (size_t)panel;
}

static void pack_right(void *user, size_t index) {
  const Gemm *g = user;
  const int wide = g->by->columns;
  const long panels = up(g->columns, wide) / wide, first = (long)index * BLOCK_PANELS, from = first * wide;
  const long count = least(g->columns - from, (long)BLOCK_PANELS * wide);
  for (long k = 0; k < g->inner; k += BLOCK_K) {
    const long kc = least(BLOCK_K, g->inner - k);
    g->by->pack(g->right, from, count, k, k + kc, wide, 1, panel_at(g->by, g->packed, wide, panels, k, g->inner, first),
                panel_bytes(g->by, wide, kc));
  }
}

// Rows of a task: fewer where there are few, so that all threads have some.
INLINE long block_rows(long rows) { return rows >= 4 * BLOCK_ROWS ? BLOCK_ROWS : 32; }

enum { FEW_ROWS = 400 };

static void pack_left(void *user, size_t index) {
  const Gemm *g = user;
  const int wide = g->by->rows;
  const long panels = up(g->rows, wide) / wide, first = (long)index * 32, count = least(g->rows - first, 32);
  for (long k = 0; k < g->inner; k += BLOCK_K) {
    const long kc = least(BLOCK_K, g->inner - k);
    g->by->pack(g->left, first, count, k, k + kc, wide, 0, panel_at(g->by, g->packed, wide, panels, k, g->inner, first / wide),
                panel_bytes(g->by, wide, kc));
  }
}

// Left panels are packed where they would fill few sets of a cache: of rows that are a multiple of SET_BYTES apart, or of columns of long
// lines.
enum { SET_BYTES = 4096, FAR_FLOATS = 800 };

// Whether left panels are read where they are: a product of few columns would take half as long to pack them as to multiply.
INLINE int is_left_in_place(const Gemm *g) {
  const View v = g->left;
  if (!g->by->multiply_column || v.is_bfloat16) return 0;
  return v.k_step == 1 ? v.i_step * (long)sizeof(float) % SET_BYTES != 0 : v.k_step <= FAR_FLOATS;
}

// From one tile to the next in memory: none where each is finished at once, so that it stays in the cache.
INLINE long tile_step(const Gemm *g) { return g->inner <= BLOCK_K ? 0 : (long)g->by->rows * g->by->columns; }

// The tiles of one column from k to k + kc: of left panels, packed at `left` or in place where that is null, times a packed right one.
INLINE void multiply_column(const Gemm *g, const char *left, const char *right, long k, long kc, float *tiles, Place place) {
  const Product *by = g->by;
  const Target *target = k + kc >= g->inner ? g->target : NULL;
  const size_t bytes = panel_bytes(by, by->rows, kc);
  if (by->multiply_column) {
    const View v = g->left;
    const float *data = (const float *)v.data + place.row * v.i_step + k * v.k_step;
    const Panels panels = left ? (Panels){(const float *)(const void *)left, 1, by->rows, (long)(bytes / sizeof(float))}
                               : (Panels){data, v.i_step, v.k_step, by->rows * v.i_step};
    by->multiply_column(&panels, right, kc, tiles, tile_step(g), k > 0, target, place);
    return;
  }
  for (; place.row < place.end_row; place.row += by->rows, left += bytes, tiles += tile_step(g)) {
    by->multiply(left, right, depth_of(by, kc), tiles, k > 0);
    if (target) finish_tile(target, tiles, by->rows, by->columns, place.row, place.end_row, place.column, place.end_column);
  }
}

static void multiply_columns(void *user, size_t index) {
  const Gemm *g = user;
  const Product *by = g->by;
  const long first = (long)index * BLOCK_PANELS * by->columns, columns = least((long)BLOCK_PANELS * by->columns, g->columns - first);
  const long left_panels = up(g->rows, by->rows) / by->rows, panels = up(columns, by->columns) / by->columns;
  char *right = scratch(SLOT_LEFT, panel_bytes(by, by->columns, BLOCK_K) * (size_t)panels);
  float *tiles = scratch(SLOT_TILES, sizeof(float) * (size_t)(left_panels * panels * by->rows * by->columns));
  if (by->begin) by->begin();
  for (long k = 0; k < g->inner; k += BLOCK_K) {
    const long kc = least(BLOCK_K, g->inner - k);
    const size_t bytes = panel_bytes(by, by->columns, kc);
    by->pack(g->right, first, columns, k, k + kc, by->columns, 1, right, bytes);
    const char *left = g->packed ? panel_at(by, g->packed, by->rows, left_panels, k, g->inner, 0) : NULL;
    for (long p = 0; p < panels; p++) {
      const Place place = {0, g->rows, first + p * by->columns, g->columns};
      multiply_column(g, left, right + bytes * (size_t)p, k, kc, tiles + p * left_panels * tile_step(g), place);
    }
  }
  if (by->end) by->end();
}

static void multiply_rows(void *user, size_t index) {
  const Gemm *g = user;
  const Product *by = g->by;
  const long step = block_rows(g->rows), first = (long)index * step, rows = least(step, g->rows - first);
  const long left_panels = up(rows, by->rows) / by->rows, panels = up(g->columns, by->columns) / by->columns;
  char *left = is_left_in_place(g) ? NULL : scratch(SLOT_LEFT, panel_bytes(by, by->rows, g->inner) * (size_t)left_panels);
  float *tiles = scratch(SLOT_TILES, sizeof(float) * (size_t)(left_panels * BLOCK_PANELS * by->rows * by->columns));
  for (long k = 0; left && k < g->inner; k += BLOCK_K) {
    const long kc = least(BLOCK_K, g->inner - k);
    by->pack(g->left, first, rows, k, k + kc, by->rows, 0, panel_at(by, left, by->rows, left_panels, k, g->inner, 0),
             panel_bytes(by, by->rows, kc));
  }
  if (by->begin) by->begin();
  for (long p0 = 0; p0 < panels; p0 += BLOCK_PANELS) {
    const long p1 = least(p0 + BLOCK_PANELS, panels);
    for (long k = 0; k == 0 || k < g->inner; k += BLOCK_K) {
      const long kc = least(BLOCK_K, g->inner - k);
      const char *at = left ? panel_at(by, left, by->rows, left_panels, k, g->inner, 0) : NULL;
      for (long p = p0; p < p1; p++) {
        const char *right = panel_at(by, g->packed, by->columns, panels, k, g->inner, p);
        const Place place = {first, first + rows, p * by->columns, g->columns};
        multiply_column(g, at, right, k, kc, tiles + (p - p0) * left_panels * tile_step(g), place);
      }
    }
  }
  if (by->end) by->end();
}

// target [rows, columns] = left [rows, inner] times right [columns, inner], transposed.
static void gemm(const Tasks *tasks, const Product *by, View left, long rows, View right, long columns, long inner, const Target *target) {
  const int has_few_rows = rows <= FEW_ROWS && columns > rows;
  Gemm g = {by, left, right, rows, columns, inner, target, NULL};
  const long block = (long)BLOCK_PANELS * by->columns;
  const size_t blocks = (size_t)(up(columns, block) / block);
  if (has_few_rows) {
    if (!is_left_in_place(&g)) {
      g.packed = scratch(SLOT_RIGHT, panel_bytes(by, by->rows, inner) * (size_t)(up(rows, by->rows) / by->rows));
      run_tasks(tasks, pack_left, (size_t)(up(rows, 32) / 32), &g);
    }
    run_tasks(tasks, multiply_columns, blocks, &g);
  } else {
    g.packed = scratch(SLOT_RIGHT, panel_bytes(by, by->columns, inner) * (size_t)(up(columns, by->columns) / by->columns));
    run_tasks(tasks, pack_right, blocks, &g);
    run_tasks(tasks, multiply_rows, (size_t)(up(rows, block_rows(rows)) / block_rows(rows)), &g);
  }
}
