// The step's tail over whole vectors, by several threads. Which of them takes a part changes no bit.
#define _GNU_SOURCE
#include "dispatch.h"
#include <pthread.h>
#include <stdatomic.h>

#define EXPORT __attribute__((visibility("default")))

enum { MOST_THREADS = 256, ADD_FLOATS = 65536 };

typedef struct {
  const Kernels *kernels;
  void (*part)(const void *user, const Kernels *, long index);
  const void *user;
  long count;
  atomic_long next;
} Work;

static void *take_parts(void *user) {
  Work *work = user;
  for (long i; (i = atomic_fetch_add(&work->next, 1)) < work->count;) work->part(work->user, work->kernels, i);
  return NULL;
}

// part(user, 0 .. count - 1), by this thread and others that live as long as the call: some 20 microseconds each.
static void in_parts(long threads, long count, void (*part)(const void *, const Kernels *, long), const void *user) {
  Work work = {kernels(), part, user, count, 0};
  pthread_t others[MOST_THREADS];
  const long most = threads < count ? threads : count;
  int started = 0;
  while (started < most - 1 && started < MOST_THREADS && pthread_create(&others[started], NULL, take_parts, &work) == 0) started++;
  take_parts(&work);
  for (int i = 0; i < started; i++) pthread_join(others[i], NULL);
}

// A piece of a step: addresses of parameters, gradient, moments and scalars, and how many elements.
typedef struct {
  float *p;
  const float *g;
  float *m, *v;
  const float *scalars;
  int64_t n;
} Piece;

static void adamw_piece(const void *user, const Kernels *k, long i) {
  const Piece *x = (const Piece *)user + i;
  k->adamw(x->p, x->g, x->m, x->v, x->n, x->scalars);
}

static void sgd_piece(const void *user, const Kernels *k, long i) {
  const Piece *x = (const Piece *)user + i;
  k->sgd(x->p, x->g, x->m, x->n, x->scalars, 0);
}

static void nesterov_piece(const void *user, const Kernels *k, long i) {
  const Piece *x = (const Piece *)user + i;
  k->sgd(x->p, x->g, x->m, x->n, x->scalars, 1);
}

// rule: 0 AdamW, 1 SGD, 2 SGD with Nesterov's momentum.
EXPORT void maestro_step(int rule, const void *pieces, int64_t count, int threads) {
  in_parts(threads, count, rule == 0 ? adamw_piece : rule == 1 ? sgd_piece : nesterov_piece, pieces);
}

typedef struct {
  const float *x;
  long n, block;
  double *out;
} Squares;

static void square_block(const void *user, const Kernels *k, long i) {
  const Squares *s = user;
  double l[8] = {0};
  const long first = i * s->block, left = s->n - first;
  k->sum_squares(s->x + first, left < s->block ? left : s->block, l);
  // As sumLanes in packages/kernels.
  s->out[i] = ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
}

// The sum of squares of each block; the last may be short.
EXPORT void maestro_block_squares(const float *x, int64_t n, int64_t block, double *out, int threads) {
  const Squares s = {x, n, block, out};
  in_parts(threads, (n + block - 1) / block, square_block, &s);
}

typedef struct {
  float *out;
  const float *a, *b;
  long n;
} Sum;

static void add_part(const void *user, const Kernels *k, long i) {
  const Sum *s = user;
  const long first = i * ADD_FLOATS, left = s->n - first;
  k->add(s->out + first, s->a + first, s->b + first, left < ADD_FLOATS ? left : ADD_FLOATS);
}

EXPORT void maestro_add(float *out, const float *a, const float *b, int64_t n, int threads) {
  const Sum s = {out, a, b, n};
  in_parts(threads, (n + ADD_FLOATS - 1) / ADD_FLOATS, add_part, &s);
}
