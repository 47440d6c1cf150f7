// What each instruction set offers: one table, made from the same sources.
#pragma once
#include "tasks.h"
#include <stdint.h>

typedef enum { FLOAT32, FLOAT32_X3, BFLOAT16 } Precision;

// A dense matrix in memory, rows of `columns` elements; `is_bfloat16` tells float32 from bfloat16.
typedef struct {
  void *data;
  long rows, columns;
  int is_bfloat16;
} Matrix;

// What is done with each element of a product x before it is stored: x + bias, + residual, then gelu (its derivative is kept in `slope`) or
// times `factor`. Absent parts are null.
typedef struct {
  const float *bias;      // [columns]
  const float *residual;  // [rows, columns]
  void *slope;            // gelu' [rows, columns], written; of the type of the result
  const void *factor;     // [rows, columns], read; of the type of the result
} Finish;

typedef struct {
  long batch, tokens, heads, from, width; // width = D, the columns of y
} Attention;

// A sum of terms over all members of a view, of one piece of a vector: see exchange.c.
typedef struct {
  int64_t count, block;        // elements, and those of a block of squares
  float *const *terms;         // some are overwritten, as the program says
  const int32_t (*program)[3]; // additions: terms[into] = terms[left] + terms[right]; the last one goes to `out`
  int64_t additions, result;   // `result` is the term that holds the sum where there are no additions
  int64_t late;                // the term whose checksum is taken: what has just arrived; -1: none
  float *out;
  uint16_t *packed;    // null, or gets the sum as bfloat16; `out` is then rounded
  double *squares;     // of each block of `out`
  uint64_t *checksums; // of `out`, or of `packed`; of the late term
} Summation;

typedef struct {
  const char *name;
  // y [R, N] = x [R, K] w^T, w [N, K]
  void (*linear)(const Tasks *, Precision, Matrix x, Matrix w, Matrix y, const Finish *);
  // dx [R, K] = dy [R, N] w [N, K] (not where dx.data is null), dw [N, K] = dy^T x, dbias [N] = column sums of dy
  void (*linear_grad)(const Tasks *, Precision, Matrix dy, Matrix x, Matrix w, Matrix dx, const Finish *, float *dw, float *dbias);
  // stats [R, 2] = mean, 1 / deviation
  void (*norm)(const Tasks *, const float *x, const float *gain, const float *bias, float epsilon, Matrix y, float *stats);
  // residual may be null
  void (*norm_grad)(const Tasks *, Matrix dy, const float *x, const float *stats, const float *gain, const float *residual, float *dx,
                    float *dgain, float *dbias);
  // qkv [batch * tokens, 3 D], y [batch * (tokens - from), D], stats [batch * heads * (tokens - from), 2]: of each row of
  // scores, shift and factor of its shares p = exp(score + shift) factor, which the gradient makes again
  void (*attend)(const Tasks *, Precision, const Attention *, const void *qkv, void *y, float *stats);
  void (*attend_grad)(const Tasks *, Precision, const Attention *, const void *dy, const void *qkv, const float *stats, void *dqkv);
  // The step's tail: exact IEEE arithmetic with denormals, the bits of packages/kernels and packages/optim.
  void (*add)(float *out, const float *a, const float *b, long n);
  void (*sum_squares)(const float *x, long n, double lanes[8]);
  void (*adamw)(float *p, const float *g, float *m, float *v, long n, const float *scalars);
  void (*sgd)(float *p, const float *g, float *m, long n, const float *scalars, int is_nesterov);
  // The exchange between members. A checksum's state: the sum of the words so far, and the sum of these sums, which is the checksum.
  void (*checksum)(const void *src, long words, uint64_t state[2]);
  void (*copy_checked)(void *to, const void *from, long words, uint64_t state[2]);
  void (*unpack_checked)(float *to, const void *from, long floats, uint64_t state[2]); // from bfloat16
  void (*sum_terms)(const Summation *);
} Kernels;

// Columns of shares in memory: tokens rounded up to 32.
#define ATTENTION_COLUMNS 32
