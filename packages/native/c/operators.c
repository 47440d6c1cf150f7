// The operators: name, types, shapes and what they compute. README.md has the table for people; src/operators.ts the one for TypeScript.
#include "operator.h"
#include <string.h>

static long last(const Tensor *t) { return t->axes == 0 ? 1 : t->dims[t->axes - 1]; }

static long rows(const Tensor *t) {
  long product = 1;
  for (int i = 0; i + 1 < t->axes; i++) product *= t->dims[i];
  return product;
}

static Matrix matrix(const Tensor *t) { return (Matrix){t->data, rows(t), last(t), t->type == 'b'}; }

static int is_matrix(const Tensor *t, long r, long c) { return t->axes >= 1 && rows(t) == r && last(t) == c; }
static int is_vector(const Tensor *t, long n) { return t->axes == 1 && t->dims[0] == n; }

static void set_matrix(Tensor *t, long r, long c) {
  t->axes = 2;
  t->dims[0] = r;
  t->dims[1] = c;
}

static void set_vector(Tensor *t, long n) {
  t->axes = 1;
  t->dims[0] = n;
}

static void set_like(Tensor *t, const Tensor *other) {
  t->axes = other->axes;
  memcpy(t->dims, other->dims, sizeof t->dims);
}

// x w bias [residual] -> y [slope]
static const char *linear_shapes(Call *c) {
  const Tensor *x = &c->in[0], *w = &c->in[1];
  if (w->axes != 2 || x->axes < 1 || last(x) != last(w)) return "x [.., K] and w [N, K] are needed";
  if (!is_vector(&c->in[2], w->dims[0])) return "bias must be [N]";
  if (c->inputs > 3 && !is_matrix(&c->in[3], rows(x), w->dims[0])) return "residual must be [R, N]";
  for (int i = 0; i < c->outputs; i++) set_matrix(&c->out[i], rows(x), w->dims[0]);
  return NULL;
}

static void linear(Call *c) {
  const Finish finish = {
    .bias = c->in[2].data,
    .residual = c->inputs > 3 ? c->in[3].data : NULL,
    .slope = c->outputs > 1 ? c->out[1].data : NULL,
  };
  c->kernels->linear(&c->tasks, c->operator->precision, matrix(&c->in[0]), matrix(&c->in[1]), matrix(&c->out[0]), &finish);
}

// dy x w [slope] -> dx dw dbias
static const char *linear_grad_shapes(Call *c) {
  const Tensor *dy = &c->in[0], *x = &c->in[1];
  if (dy->axes < 1 || x->axes < 1 || rows(dy) != rows(x)) return "dy [.., N] and x [.., K] with as many rows are needed";
  if (c->inputs > 2 && !(c->in[2].axes == 2 && is_matrix(&c->in[2], last(dy), last(x)))) return "w must be [N, K]";
  if (c->inputs > 3 && !is_matrix(&c->in[3], rows(x), last(x))) return "slope must be [R, K]";
  const int first = c->outputs - 2;
  if (first > 0) set_matrix(&c->out[0], rows(x), last(x));
  set_matrix(&c->out[first], last(dy), last(x));
  set_vector(&c->out[first + 1], last(dy));
  return NULL;
}

static void linear_grad(Call *c) {
  const int first = c->outputs - 2;
  const Finish finish = {.factor = c->inputs > 3 ? c->in[3].data : NULL};
  const Matrix none = {0};
  c->kernels->linear_grad(&c->tasks, c->operator->precision, matrix(&c->in[0]), matrix(&c->in[1]), first > 0 ? matrix(&c->in[2]) : none,
                          first > 0 ? matrix(&c->out[0]) : none, &finish, c->out[first].data, c->out[first + 1].data);
}

// x gain bias -> y stats
static const char *norm_shapes(Call *c) {
  const Tensor *x = &c->in[0];
  if (x->axes < 1 || !is_vector(&c->in[1], last(x)) || !is_vector(&c->in[2], last(x))) return "x [.., D], gain [D], bias [D] are needed";
  set_like(&c->out[0], x);
  set_matrix(&c->out[1], rows(x), 2);
  return NULL;
}

static void norm(Call *c) {
  c->kernels->norm(&c->tasks, c->in[0].data, c->in[1].data, c->in[2].data, c->epsilon, matrix(&c->out[0]), c->out[1].data);
}

// dy x stats gain [residual] -> dx dgain dbias
static const char *norm_grad_shapes(Call *c) {
  const Tensor *x = &c->in[1];
  const long r = rows(x), D = last(x);
  if (x->axes < 1 || !is_matrix(&c->in[0], r, D)) return "dy and x must have one shape";
  if (!is_matrix(&c->in[2], r, 2) || !is_vector(&c->in[3], D)) return "stats [R, 2] and gain [D] are needed";
  if (c->inputs > 4 && !is_matrix(&c->in[4], r, D)) return "residual must have the shape of x";
  set_like(&c->out[0], x);
  set_vector(&c->out[1], D);
  set_vector(&c->out[2], D);
  return NULL;
}

static void norm_grad(Call *c) {
  c->kernels->norm_grad(&c->tasks, matrix(&c->in[0]), c->in[1].data, c->in[2].data, c->in[3].data, c->inputs > 4 ? c->in[4].data : NULL,
                        c->out[0].data, c->out[1].data, c->out[2].data);
}

static const char *check_qkv(const Call *c, const Tensor *qkv) {
  if (c->tokens < 1 || c->heads < 1 || c->from < 0 || c->from >= c->tokens) return "attributes tokens, heads >= 1 and 0 <= from < tokens are needed";
  if (qkv->axes < 1 || rows(qkv) % c->tokens != 0 || last(qkv) % (3 * c->heads) != 0) return "qkv must be [N tokens, 3 heads d]";
  return NULL;
}

static Attention attention(const Call *c, const Tensor *qkv) {
  return (Attention){rows(qkv) / c->tokens, c->tokens, c->heads, c->from, last(qkv) / 3};
}

// qkv -> y stats
static const char *attend_shapes(Call *c) {
  const char *wrong = check_qkv(c, &c->in[0]);
  if (wrong) return wrong;
  const Attention a = attention(c, &c->in[0]);
  set_matrix(&c->out[0], a.batch * (a.tokens - a.from), a.width);
  set_matrix(&c->out[1], a.batch * a.heads * (a.tokens - a.from), 2);
  return NULL;
}

static void attend(Call *c) {
  const Attention a = attention(c, &c->in[0]);
  c->kernels->attend(&c->tasks, c->operator->precision, &a, c->in[0].data, c->out[0].data, c->out[1].data);
}

// dy qkv stats -> dqkv
static const char *attend_grad_shapes(Call *c) {
  const char *wrong = check_qkv(c, &c->in[1]);
  if (wrong) return wrong;
  const Attention a = attention(c, &c->in[1]);
  const long asked = a.tokens - a.from;
  if (!is_matrix(&c->in[0], a.batch * asked, a.width)) return "dy must be [N (tokens - from), D]";
  if (!is_matrix(&c->in[2], a.batch * a.heads * asked, 2)) return "stats must be [N heads (tokens - from), 2]";
  set_like(&c->out[0], &c->in[1]);
  return NULL;
}

static void attend_grad(Call *c) {
  const Attention a = attention(c, &c->in[1]);
  c->kernels->attend_grad(&c->tasks, c->operator->precision, &a, c->in[0].data, c->in[1].data, c->in[2].data, c->out[0].data);
}

#define OPERATOR(name, in, out, precision, kind) {{0}, name, in, out, precision, kind##_shapes, kind}

#define LINEAR_OPERATORS(suffix, precision)                                     \
  OPERATOR("Linear" suffix, "fff", "f", precision, linear),                     \
  OPERATOR("LinearAdd" suffix, "ffff", "f", precision, linear),                 \
  OPERATOR("LinearGelu" suffix, "fff", "ff", precision, linear),                \
  OPERATOR("LinearGrad" suffix, "fff", "fff", precision, linear_grad),          \
  OPERATOR("LinearGeluGrad" suffix, "ffff", "fff", precision, linear_grad),     \
  OPERATOR("LinearGradW" suffix, "ff", "ff", precision, linear_grad)

Operator OPERATORS[] = {
  OPERATOR("NormBf16", "fff", "bf", BFLOAT16, norm),
  OPERATOR("NormGradBf16", "bfff", "fff", BFLOAT16, norm_grad),
  OPERATOR("NormGradAddBf16", "bffff", "fff", BFLOAT16, norm_grad),
  OPERATOR("LinearBf16", "bff", "b", BFLOAT16, linear),
  OPERATOR("LinearAddBf16", "bfff", "f", BFLOAT16, linear),
  OPERATOR("LinearGeluBf16", "bff", "bb", BFLOAT16, linear),
  OPERATOR("LinearInBf16", "fff", "f", BFLOAT16, linear),
  OPERATOR("LinearOutBf16", "bff", "f", BFLOAT16, linear),
  OPERATOR("LinearGradBf16", "bbf", "bff", BFLOAT16, linear_grad),
  OPERATOR("LinearOutGradBf16", "fbf", "bff", BFLOAT16, linear_grad),
  OPERATOR("LinearInGradBf16", "fff", "fff", BFLOAT16, linear_grad),
  OPERATOR("LinearGeluGradBf16", "fbfb", "bff", BFLOAT16, linear_grad),
  OPERATOR("LinearGradWBf16", "ff", "ff", BFLOAT16, linear_grad),
  OPERATOR("AttendBf16", "b", "bf", BFLOAT16, attend),
  OPERATOR("AttendGradBf16", "bbf", "b", BFLOAT16, attend_grad),
  OPERATOR("NormF32", "fff", "ff", FLOAT32, norm),
  OPERATOR("NormGradF32", "ffff", "fff", FLOAT32, norm_grad),
  OPERATOR("NormGradAddF32", "fffff", "fff", FLOAT32, norm_grad),
  LINEAR_OPERATORS("F32", FLOAT32),
  OPERATOR("AttendF32", "f", "ff", FLOAT32, attend),
  OPERATOR("AttendGradF32", "fff", "f", FLOAT32, attend_grad),
  LINEAR_OPERATORS("X3", FLOAT32_X3),
};

const int OPERATOR_COUNT = sizeof OPERATORS / sizeof *OPERATORS;
