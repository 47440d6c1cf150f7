// Sums over rows, and sums of squares.
#include "gemm.c"

enum { SUM_ROWS = 64 }; // rows of one partial sum: part of the order of sums

typedef struct {
  Matrix x;
  float *partial; // [blocks of SUM_ROWS, columns]
} ColumnSums;

static void sum_block(void *user, size_t index) {
  const ColumnSums *s = user;
  const long columns = s->x.columns, first = (long)index * SUM_ROWS, last = least(first + SUM_ROWS, s->x.rows);
  float *out = s->partial + (long)index * columns;
  for (long c = 0; c < columns; c += 16) {
    const long n = columns - c;
    Sixteen sum = sixteen(0);
    for (long r = first; r < last; r++) {
      const long at = r * columns + c;
      const Sixteen x = s->x.is_bfloat16 ? load16_bfloat16((const bfloat16 *)s->x.data + at, n) : load16((const float *)s->x.data + at, n);
      EACH_PART sum.part[j] = sum.part[j] + x.part[j];
    }
    store16(out + c, sum, n);
  }
}

// out [columns] = the sum of `count` rows of `stride` floats, in their order.
static void add_rows(const float *rows, long count, long columns, long stride, float *out) {
  for (long c = 0; c < columns; c += 16) {
    Sixteen sum = sixteen(0);
    for (long r = 0; r < count; r++) {
      const Sixteen x = load16(rows + r * stride + c, columns - c);
      EACH_PART sum.part[j] = sum.part[j] + x.part[j];
    }
    store16(out + c, sum, columns - c);
  }
}

typedef struct {
  const float *rows[2];
  long count, columns, stride;
  float *out[2];
} RowSums;

static void add_rows_part(void *user, size_t index) {
  const RowSums *s = user;
  add_rows(s->rows[index], s->count, s->columns, s->stride, s->out[index]);
}

// out [columns] = the sums of the columns of x.
static void column_sums(const Tasks *tasks, Matrix x, float *out) {
  const long blocks = up(x.rows, SUM_ROWS) / SUM_ROWS;
  ColumnSums s = {x, scratch(SLOT_SUMS, sizeof(float) * (size_t)(blocks * x.columns))};
  run_tasks(tasks, sum_block, (size_t)blocks, &s);
  RowSums total = {{s.partial}, blocks, x.columns, x.columns, {out}};
  run_tasks(NULL, add_rows_part, 1, &total);
}

// Element i goes to lane i mod 8, in float64, as `sumSquares` in packages/kernels; n may be any number in the last call for a block only.
static void sum_squares(const float *x, long n, double lanes[8]) {
  typedef double Doubles __attribute__((vector_size(4 * WIDTH)));
  typedef float Few __attribute__((vector_size(2 * WIDTH)));
  Doubles sum[PARTS];
  memcpy(sum, lanes, sizeof sum);
  long i = 0;
  for (; i + 8 <= n; i += 8) EACH_PART {
    Few part;
    memcpy(&part, x + i + j * (WIDTH / 2), sizeof part);
    const Doubles wide = __builtin_convertvector(part, Doubles);
    sum[j] = sum[j] + wide * wide;
  }
  memcpy(lanes, sum, sizeof sum);
  for (int lane = 0; i < n; i++, lane++) lanes[lane] += (double)x[i] * (double)x[i];
}

static void add(float *out, const float *a, const float *b, long n) {
  for (long i = 0; i < n; i += WIDTH) store_part(out + i, load_part(a + i, n - i) + load_part(b + i, n - i), n - i);
}
