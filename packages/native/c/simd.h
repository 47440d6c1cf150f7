// The vectors of one instruction set. Everything that rounds is here or is +, -, *, / on vectors: no contraction (the build says so), no
// approximate instructions, so that each lane has the bits that IEEE 754 gives it, on every instruction set.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))

// Floats in a vector, and rows of a tile of a matrix product: as many accumulators as the registers hold (see gemm.h).
#if defined(__AVX512F__)
#define WIDTH 16
#define TILE_ROWS 8
#elif defined(__AVX2__)
#define WIDTH 8
#define TILE_ROWS 4
#elif defined(__aarch64__)
#define WIDTH 4
#define TILE_ROWS 8
#else
#error "needs AVX2 with FMA, AVX-512, or NEON"
#endif

// Vectors in a row of a tile, and its columns.
#define TILE_VECTORS 3
#define TILE_COLUMNS (TILE_VECTORS * WIDTH)

typedef float Floats __attribute__((vector_size(4 * WIDTH)));
typedef int32_t Ints __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t Words __attribute__((vector_size(4 * WIDTH)));
typedef uint16_t Halves __attribute__((vector_size(2 * WIDTH)));
typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourInts __attribute__((vector_size(16)));
typedef uint16_t bfloat16;

// a * b + c, rounded once.
INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
#if WIDTH == 16
  return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif WIDTH == 8
  return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return (Floats)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#endif
}

INLINE Floats square_root(Floats x) {
#if WIDTH == 16
  return (Floats)_mm512_sqrt_ps((__m512)x);
#elif WIDTH == 8
  return (Floats)_mm256_sqrt_ps((__m256)x);
#else
  return (Floats)vsqrtq_f32((float32x4_t)x);
#endif
}

// Lane by lane: `yes` where the mask has ones, else `no`.
INLINE Floats choose(Ints mask, Floats yes, Floats no) {
#if WIDTH == 8
  return (Floats)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)mask);
#else
  return (Floats)((mask & (Ints)yes) | (~mask & (Ints)no));
#endif
}

INLINE Floats all(float x) { return x - (Floats){0}; }

INLINE Ints lanes_below(long n) {
  const int32_t count = n > WIDTH ? WIDTH : n < 0 ? 0 : (int32_t)n;
#if WIDTH == 16
  const Ints lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif WIDTH == 8
  const Ints lane = {0, 1, 2, 3, 4, 5, 6, 7};
#else
  const Ints lane = {0, 1, 2, 3};
#endif
  return lane < count;
}

INLINE Floats load(const float *p) {
  Floats v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store(float *p, Floats v) { memcpy(p, &v, sizeof v); }

// The first n floats (any n), then zeros. Nothing beyond them is read.
INLINE Floats load_part(const float *p, long n) {
  if (n >= WIDTH) return load(p);
#if WIDTH == 16
  return (Floats)_mm512_maskz_loadu_ps((__mmask16)(n <= 0 ? 0 : (1u << n) - 1), p);
#elif WIDTH == 8
  return (Floats)_mm256_maskload_ps(p, (__m256i)lanes_below(n));
#else
  Floats v = {0};
  for (long i = 0; i < n; i++) v[i] = p[i];
  return v;
#endif
}

INLINE void store_part(float *p, Floats v, long n) {
  if (n >= WIDTH) return store(p, v);
#if WIDTH == 16
  _mm512_mask_storeu_ps(p, (__mmask16)(n <= 0 ? 0 : (1u << n) - 1), (__m512)v);
#elif WIDTH == 8
  _mm256_maskstore_ps(p, (__m256i)lanes_below(n), (__m256)v);
#else
  for (long i = 0; i < n; i++) p[i] = v[i];
#endif
}

INLINE Floats widen(Halves v) { return (Floats)(__builtin_convertvector(v, Words) << 16); }

// To nearest, ties to even; a NaN stays a (quiet) NaN of its sign: as packBfloat16 in packages/kernels.
INLINE Words round_words(Floats v) {
  const Words bits = (Words)v;
  const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Words nan = (Words)((Ints)(bits & 0x7fffffffu) > 0x7f800000);
  return (nan & ((bits >> 16) | 0x40u)) | (~nan & rounded);
}

INLINE Halves narrow(Floats v) { return __builtin_convertvector(round_words(v), Halves); }

// What `widen(narrow(v))` gives.
INLINE Floats round_to_bfloat16(Floats v) { return (Floats)(round_words(v) << 16); }

INLINE Floats load_bfloat16(const bfloat16 *p, long n) {
  Halves v = {0};
  if (n >= WIDTH) memcpy(&v, p, sizeof v);
  else if (n > 0) memcpy(&v, p, 2 * (size_t)n);
  return widen(v);
}

INLINE void store_bfloat16(bfloat16 *p, Floats v, long n) {
  const Halves h = narrow(v);
  if (n >= WIDTH) memcpy(p, &h, sizeof h);
  else if (n > 0) memcpy(p, &h, 2 * (size_t)n);
}

// ---- 16 lanes, whatever the width: sums that end in one number have the same order everywhere.

#define PARTS (16 / WIDTH)
typedef struct { Floats part[PARTS]; } Sixteen;

#define EACH_PART for (int j = 0; j < PARTS; j++)

INLINE Sixteen sixteen(float x) {
  Sixteen r;
  EACH_PART r.part[j] = all(x);
  return r;
}

// The first n floats, then zeros.
INLINE Sixteen load16(const float *p, long n) {
  Sixteen r;
  EACH_PART r.part[j] = load_part(p + j * WIDTH, n - j * WIDTH);
  return r;
}

INLINE Sixteen load16_bfloat16(const bfloat16 *p, long n) {
  Sixteen r;
  EACH_PART r.part[j] = load_bfloat16(p + j * WIDTH, n - j * WIDTH);
  return r;
}

INLINE void store16(float *p, Sixteen v, long n) { EACH_PART store_part(p + j * WIDTH, v.part[j], n - j * WIDTH); }

INLINE void store16_bfloat16(bfloat16 *p, Sixteen v, long n) { EACH_PART store_bfloat16(p + j * WIDTH, v.part[j], n - j * WIDTH); }

// Zeros from lane n on.
INLINE Sixteen keep16(Sixteen v, long n) {
  if (n < 16) EACH_PART v.part[j] = (Floats)((Ints)v.part[j] & lanes_below(n - j * WIDTH));
  return v;
}

// Lanes i and i + 8, then + 4, + 2, + 1.
INLINE float sum16(Sixteen v) {
  Four q[4];
  memcpy(q, &v, sizeof q);
  const Four s = (q[0] + q[2]) + (q[1] + q[3]);
  return (s[0] + s[2]) + (s[1] + s[3]);
}

INLINE float max16(Sixteen v) {
  float lane[16];
  memcpy(lane, &v, sizeof lane);
  float most = lane[0];
  for (int i = 1; i < 16; i++) most = lane[i] > most ? lane[i] : most;
  return most;
}
