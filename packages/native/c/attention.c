// Attention of one sequence and head at a time, straight on the rows of q, k and v: nothing is transposed in memory.
#include "linear.c"

enum { ATTENTION_TASKS = 32 };

typedef struct {
  const Attention *shape;
  int is_bfloat16;
  const void *dy, *qkv;
  float *stats;
  void *y, *dqkv;
} Attend;

// What one sequence and head sees. T tokens of keys, Q of queries.
typedef struct {
  const Attend *job;
  const Product *by;
  long T, Q, padded, head, D;
  const void *q, *k, *v, *dy;
  void *y, *dq, *dk, *dv;
  float *stats; // of each row of scores: shift and factor of its shares
} Head;

INLINE const void *element(const void *base, int is_bfloat16, long at) { return (const char *)base + at * (is_bfloat16 ? 2 : 4); }
INLINE void *element_of(void *base, int is_bfloat16, long at) { return (char *)base + at * (is_bfloat16 ? 2 : 4); }

INLINE Head head_of(const Attend *job, long index) {
  const Attention *s = job->shape;
  const int b = job->is_bfloat16;
  const long n = index / s->heads, head = s->width / s->heads, column = index % s->heads * head, D = s->width;
  const long Q = s->tokens - s->from, padded = up(s->tokens, ATTENTION_COLUMNS);
  const long first = n * s->tokens * 3 * D + column, asked = first + s->from * 3 * D, answer = n * Q * D + column;
  Head h = {job, PRODUCTS[b ? BFLOAT16 : FLOAT32], s->tokens, Q, padded, head, D, 0};
  h.q = element(job->qkv, b, asked);
  h.k = element(job->qkv, b, first + D);
  h.v = element(job->qkv, b, first + 2 * D);
  h.stats = job->stats + 2 * index * Q;
  if (job->y) h.y = element_of(job->y, b, answer);
  if (job->dy) h.dy = element(job->dy, b, answer);
  if (job->dqkv) {
    h.dq = element_of(job->dqkv, b, asked);
    h.dk = element_of(job->dqkv, b, first + D);
    h.dv = element_of(job->dqkv, b, first + 2 * D);
  }
  return h;
}

// Rows of q, k, v, of stride 3 D; (token, d) or (d, token).
INLINE View by_token(const Head *h, const void *rows, long stride) { return (View){rows, stride, 1, h->job->is_bfloat16}; }
INLINE View by_column(const Head *h, const void *rows, long stride) { return (View){rows, 1, stride, h->job->is_bfloat16}; }

// out [rows, columns] = left [rows, inner] right [columns, inner]^T
INLINE void product(const Head *h, View left, long rows, View right, long columns, long inner, void *out, long stride, int is_bfloat16) {
  const Target t = {out, stride, is_bfloat16, {0}};
  gemm(NULL, h->by, left, rows, right, columns, inner, &t);
}

INLINE void store_p(void *p, long at, Sixteen v, int is_bfloat16) {
  if (is_bfloat16) store16_bfloat16((bfloat16 *)p + at, v, 16);
  else store16((float *)p + at, v, 16);
}

INLINE Sixteen load_p(const void *p, long at, int is_bfloat16) {
  return is_bfloat16 ? load16_bfloat16((const bfloat16 *)p + at, 16) : load16((const float *)p + at, 16);
}

// p = exp(scale s + stats[0]) stats[1]: the shares of one row; zeros from column T on.
INLINE void shares_row(const float *s, long T, long padded, float scale, const float *stats, void *p, int is_bfloat16) {
  for (long c = 0; c < padded; c += 16) {
    Sixteen x = load16(s + c, T - c);
    EACH_PART x.part[j] = exponential(multiply_add(x.part[j], all(scale), all(stats[0])));
    x = keep16(x, T - c);
    EACH_PART x.part[j] = x.part[j] * all(stats[1]);
    store_p(p, c, x, is_bfloat16);
  }
}

// p = softmax(scale s) of one row, and what `shares_row` needs to make it again.
INLINE void softmax_row(float *s, long T, long padded, float scale, float *stats, void *p, int is_bfloat16) {
  Sixteen most = sixteen(-INFINITY), sum = sixteen(0);
  for (long c = 0; c < T; c += 16) {
    const Sixteen x = load16(s + c, T - c);
    EACH_PART {
      const Ints above = (x.part[j] > most.part[j]) & lanes_below(T - c - j * WIDTH);
      most.part[j] = choose(above, x.part[j], most.part[j]);
    }
  }
  stats[0] = -(max16(most) * scale);
  for (long c = 0; c < padded; c += 16) {
    Sixteen x = load16(s + c, T - c);
    EACH_PART x.part[j] = exponential(multiply_add(x.part[j], all(scale), all(stats[0])));
    x = keep16(x, T - c);
    EACH_PART sum.part[j] = sum.part[j] + x.part[j];
    store16(s + c, x, 16);
  }
  stats[1] = 1.f / sum16(sum);
  for (long c = 0; c < padded; c += 16) {
    Sixteen x = load16(s + c, 16);
    EACH_PART x.part[j] = x.part[j] * all(stats[1]);
    store_p(p, c, x, is_bfloat16);
  }
}

// ds = p scale (dp - sum(p dp)) of one row, in place of p's type; zeros from column T on.
INLINE void softmax_grad_row(const float *dp, const void *p, long at, long T, long padded, float scale, void *ds, int is_bfloat16) {
  Sixteen sum = sixteen(0);
  for (long c = 0; c < T; c += 16) {
    const Sixteen d = load16(dp + c, T - c), x = load_p(p, at + c, is_bfloat16);
    EACH_PART sum.part[j] = multiply_add(d.part[j], x.part[j], sum.part[j]);
  }
  const Floats mean = all(sum16(sum));
  for (long c = 0; c < padded; c += 16) {
    Sixteen d = load16(dp + c, T - c);
    const Sixteen x = load_p(p, at + c, is_bfloat16);
    EACH_PART d.part[j] = x.part[j] * all(scale) * (d.part[j] - mean);
    store_p(ds, at + c, keep16(d, T - c), is_bfloat16);
  }
}

static void attend_head(const Head *h) {
  const int b = h->job->is_bfloat16;
  const long ld = 3 * h->D;
  const float scale = 1.f / sqrtf((float)h->head);
  float *scores = scratch(SLOT_SCORES, sizeof(float) * (size_t)(h->Q * h->padded));
  void *p = scratch(SLOT_SHARES, sizeof(float) * (size_t)(h->Q * h->padded));
  product(h, by_token(h, h->q, ld), h->Q, by_token(h, h->k, ld), h->T, h->head, scores, h->padded, 0);
  for (long r = 0; r < h->Q; r++)
    softmax_row(scores + r * h->padded, h->T, h->padded, scale, h->stats + 2 * r, element_of(p, b, r * h->padded), b);
  product(h, by_token(h, p, h->padded), h->Q, by_column(h, h->v, ld), h->head, h->T, h->y, h->D, b);
}

static void attend_grad_head(const Head *h) {
  const int b = h->job->is_bfloat16;
  const long ld = 3 * h->D, from = h->T - h->Q;
  const float scale = 1.f / sqrtf((float)h->head);
  float *dp = scratch(SLOT_SCORES, sizeof(float) * (size_t)(h->Q * h->padded));
  void *ds = scratch(SLOT_SCORE_GRADIENTS, sizeof(float) * (size_t)(h->Q * h->padded));
  void *p = scratch(SLOT_SHARES, sizeof(float) * (size_t)(h->Q * h->padded));
  product(h, by_token(h, h->q, ld), h->Q, by_token(h, h->k, ld), h->T, h->head, dp, h->padded, 0);
  for (long r = 0; r < h->Q; r++) shares_row(dp + r * h->padded, h->T, h->padded, scale, h->stats + 2 * r, element_of(p, b, r * h->padded), b);
  product(h, by_token(h, h->dy, h->D), h->Q, by_token(h, h->v, ld), h->T, h->head, dp, h->padded, 0);
  for (long r = 0; r < h->Q; r++) softmax_grad_row(dp + r * h->padded, p, r * h->padded, h->T, h->padded, scale, ds, b);
  product(h, by_token(h, ds, h->padded), h->Q, by_column(h, h->k, ld), h->head, h->T, h->dq, ld, b);
  product(h, by_column(h, ds, h->padded), h->T, by_column(h, h->q, ld), h->head, h->Q, h->dk, ld, b);
  product(h, by_column(h, p, h->padded), h->T, by_column(h, h->dy, h->D), h->head, h->Q, h->dv, ld, b);
  const size_t bytes = (size_t)h->head * (b ? 2 : 4);
  for (long r = 1; r <= from; r++) memset(element_of(h->dq, b, -r * ld), 0, bytes);
}

static void attend_part(void *user, size_t index) {
  const Attend *job = user;
  const long heads = job->shape->batch * job->shape->heads;
  const long first = (long)index * heads / ATTENTION_TASKS, last = ((long)index + 1) * heads / ATTENTION_TASKS;
  for (long i = first; i < last; i++) {
    const Head h = head_of(job, i);
    if (job->dqkv) attend_grad_head(&h);
    else attend_head(&h);
  }
}

static void attend(const Tasks *tasks, Precision precision, const Attention *shape, const void *qkv, void *y, float *stats) {
  Attend job = {shape, precision == BFLOAT16, NULL, qkv, stats, y, NULL};
  run_tasks(tasks, attend_part, ATTENTION_TASKS, &job);
}

static void attend_grad(const Tasks *tasks, Precision precision, const Attention *shape, const void *dy, const void *qkv, const float *stats,
                        void *dqkv) {
  Attend job = {shape, precision == BFLOAT16, dy, qkv, (float *)stats, NULL, dqkv};
  run_tasks(tasks, attend_part, ATTENTION_TASKS, &job);
}
