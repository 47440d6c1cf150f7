// Layer norm over the last axis, in float32. Sums over a row are of 16 lanes; sums over rows, of blocks of SUM_ROWS rows.
#include "reduce.c"

typedef struct {
  const float *x, *gain, *bias;
  float epsilon;
  Matrix y;
  float *stats;
} Norm;

INLINE Sixteen centred(const float *x, long n, float mean) {
  Sixteen v = load16(x, n);
  EACH_PART v.part[j] = v.part[j] - all(mean);
  return keep16(v, n);
}

INLINE void norm_row(const Norm *t, long row) {
  const long D = t->y.columns;
  const float *x = t->x + row * D;
  Sixteen sum = sixteen(0), squares = sixteen(0);
  for (long c = 0; c < D; c += 16) {
    const Sixteen v = load16(x + c, D - c);
    EACH_PART sum.part[j] = sum.part[j] + v.part[j];
  }
  const float mean = sum16(sum) / (float)D;
  for (long c = 0; c < D; c += 16) {
    const Sixteen d = centred(x + c, D - c, mean);
    EACH_PART squares.part[j] = multiply_add(d.part[j], d.part[j], squares.part[j]);
  }
  const float scale = 1.f / sqrtf(sum16(squares) / (float)D + t->epsilon);
  for (long c = 0; c < D; c += 16) {
    const long n = D - c;
    Sixteen d = centred(x + c, n, mean);
    const Sixteen gain = load16(t->gain + c, n), bias = load16(t->bias + c, n);
    EACH_PART d.part[j] = multiply_add(d.part[j] * all(scale), gain.part[j], bias.part[j]);
    if (t->y.is_bfloat16) store16_bfloat16((bfloat16 *)t->y.data + row * D + c, d, n);
    else store16((float *)t->y.data + row * D + c, d, n);
  }
  t->stats[2 * row] = mean;
  t->stats[2 * row + 1] = scale;
}

static void norm_block(void *user, size_t index) {
  const Norm *t = user;
  const long first = (long)index * SUM_ROWS, last = least(first + SUM_ROWS, t->y.rows);
  for (long r = first; r < last; r++) norm_row(t, r);
}

static void norm(const Tasks *tasks, const float *x, const float *gain, const float *bias, float epsilon, Matrix y, float *stats) {
  Norm t = {x, gain, bias, epsilon, y, stats};
  run_tasks(tasks, norm_block, (size_t)(up(y.rows, SUM_ROWS) / SUM_ROWS), &t);
}

typedef struct {
  Matrix dy;
  const float *x, *stats, *gain, *residual;
  float *dx;
  float *dgain, *dbias; // [blocks, D]
} NormGrad;

INLINE Sixteen load_dy(const NormGrad *t, long at, long n) {
  return t->dy.is_bfloat16 ? load16_bfloat16((const bfloat16 *)t->dy.data + at, n) : load16((const float *)t->dy.data + at, n);
}

// With h = (x - mean) / deviation and w = dy gain: dx = (w - mean(w) - h mean(w h)) / deviation, + residual.
INLINE void norm_grad_row(const NormGrad *t, long row, float *dgain, float *dbias) {
  const long D = t->dy.columns, at = row * D;
  const float mean = t->stats[2 * row], scale = t->stats[2 * row + 1];
  Sixteen sum = sixteen(0), products = sixteen(0);
  for (long c = 0; c < D; c += 16) {
    const long n = D - c;
    const Sixteen dy = load_dy(t, at + c, n), gain = load16(t->gain + c, n), d = centred(t->x + at + c, n, mean);
    Sixteen a = load16(dgain + c, n), b = load16(dbias + c, n);
    EACH_PART {
      const Floats h = d.part[j] * all(scale), w = dy.part[j] * gain.part[j];
      sum.part[j] = sum.part[j] + w;
      products.part[j] = multiply_add(w, h, products.part[j]);
      a.part[j] = multiply_add(dy.part[j], h, a.part[j]);
      b.part[j] = b.part[j] + dy.part[j];
    }
    store16(dgain + c, a, n);
    store16(dbias + c, b, n);
  }
  const Floats mean_w = all(sum16(sum) / (float)D), mean_wh = all(-(sum16(products) / (float)D));
  for (long c = 0; c < D; c += 16) {
    const long n = D - c;
    const Sixteen dy = load_dy(t, at + c, n), gain = load16(t->gain + c, n), d = centred(t->x + at + c, n, mean);
    Sixteen dx;
    EACH_PART {
      const Floats h = d.part[j] * all(scale), w = dy.part[j] * gain.part[j] - mean_w;
      dx.part[j] = multiply_add(h, mean_wh, w) * all(scale);
    }
    if (t->residual) {
      const Sixteen r = load16(t->residual + at + c, n);
      EACH_PART dx.part[j] = dx.part[j] + r.part[j];
    }
    store16(t->dx + at + c, dx, n);
  }
}

static void norm_grad_block(void *user, size_t index) {
  const NormGrad *t = user;
  const long D = t->dy.columns, first = (long)index * SUM_ROWS, last = least(first + SUM_ROWS, t->dy.rows);
  float *dgain = t->dgain + (long)index * D, *dbias = t->dbias + (long)index * D;
  memset(dgain, 0, sizeof(float) * (size_t)D);
  memset(dbias, 0, sizeof(float) * (size_t)D);
  for (long r = first; r < last; r++) norm_grad_row(t, r, dgain, dbias);
}

static void norm_grad(const Tasks *tasks, Matrix dy, const float *x, const float *stats, const float *gain, const float *residual, float *dx,
                      float *dgain, float *dbias) {
  const long D = dy.columns, blocks = up(dy.rows, SUM_ROWS) / SUM_ROWS;
  float *partial = scratch(SLOT_SUMS, 2 * sizeof(float) * (size_t)(blocks * D));
  NormGrad t = {dy, x, stats, gain, residual, dx, partial, partial + blocks * D};
  run_tasks(tasks, norm_grad_block, (size_t)blocks, &t);
  RowSums total = {{t.dgain, t.dbias}, blocks, D, D, {dgain, dbias}};
  run_tasks(NULL, add_rows_part, 2, &total);
}
