// Steps of the optimisers: the bits of the rules in packages/optim, whose operations and scalars these are, in their order.
#include "attention.c"

// scalars: gradScale, decay, beta1Rest, beta2, beta2Rest, correction, epsilon, negativeStepSize
INLINE void adamw_part(float *p, const float *g, float *m, float *v, long i, long n, const Floats s[8]) {
  const Floats gradient = load_part(g + i, n) * s[0], average = load_part(m + i, n);
  const Floats next = average + (gradient - average) * s[2];
  const Floats square = load_part(v + i, n) * s[3] + s[4] * gradient * gradient;
  const Floats divisor = square_root(square) / s[5] + s[6];
  const Floats moved = load_part(p + i, n) * s[1] + s[7] * next / divisor;
  store_part(m + i, next, n);
  store_part(v + i, square, n);
  store_part(p + i, moved, n);
}

static void adamw(float *p, const float *g, float *m, float *v, long n, const float *scalars) {
  Floats s[8];
  for (int i = 0; i < 8; i++) s[i] = all(scalars[i]);
  long i = 0;
  for (; i + WIDTH <= n; i += WIDTH) adamw_part(p, g, m, v, i, WIDTH, s);
  if (i < n) adamw_part(p, g, m, v, i, n - i, s);
}

// scalars: gradScale, weightDecay, trust, momentum, negativeLr
INLINE void sgd_part(float *p, const float *g, float *m, long i, long n, const Floats s[5], int is_nesterov) {
  const Floats parameter = load_part(p + i, n);
  const Floats d = (load_part(g + i, n) * s[0] + parameter * s[1]) * s[2];
  const Floats next = load_part(m + i, n) * s[3] + d;
  const Floats moved = parameter + (is_nesterov ? d + next * s[3] : next) * s[4];
  store_part(m + i, next, n);
  store_part(p + i, moved, n);
}

static void sgd(float *p, const float *g, float *m, long n, const float *scalars, int is_nesterov) {
  Floats s[5];
  for (int i = 0; i < 5; i++) s[i] = all(scalars[i]);
  for (long i = 0; i < n; i += WIDTH) sgd_part(p, g, m, i, n - i, s, is_nesterov);
}
