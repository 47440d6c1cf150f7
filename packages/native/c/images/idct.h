// The inverse DCT of libjpeg ("slow integer": Loeffler, Ligtenberg and Moschytz with constants of 13 bits), with the 16-bit steps of its
// SIMD form, so that every coefficient block gives the same pixels. Two blocks at a time.
#pragma once
#include "images.h"
#include <string.h>

enum {
  F0_298 = 2446, F0_390 = 3196, F0_541 = 4433, F0_765 = 6270, F0_899 = 7373, F1_175 = 9633, F1_501 = 12299, F1_847 = 15137,
  F1_961 = 16069, F2_053 = 16819, F2_562 = 20995, F3_072 = 25172,
};

// Coefficients in natural order, already multiplied by the quantisation, and where the 8 x 8 pixels go.
typedef struct {
  int16_t values[64];
  uint8_t *to;
  long stride;
} Block;

#if defined(__AVX2__)
INLINE __m256i pairs(int a, int b) { return _mm256_set1_epi32((int)((uint32_t)(uint16_t)a | (uint32_t)b << 16)); }

typedef struct {
  __m256i low, high;
} Wide;

INLINE Wide rotate(__m256i a, __m256i b, int fa, int fb) {
  const __m256i factors = pairs(fa, fb);
  return (Wide){_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), factors), _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), factors)};
}

INLINE Wide plus(Wide a, Wide b) { return (Wide){_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)}; }
INLINE Wide minus(Wide a, Wide b) { return (Wide){_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)}; }

INLINE Wide scaled(__m256i a) {
  const __m256i zero = _mm256_setzero_si256();
  return (Wide){_mm256_srai_epi32(_mm256_unpacklo_epi16(zero, a), 3), _mm256_srai_epi32(_mm256_unpackhi_epi16(zero, a), 3)};
}

INLINE __m256i rounded(Wide a, int shift) {
  const __m256i half = _mm256_set1_epi32(1 << (shift - 1));
  const __m256i low = _mm256_srai_epi32(_mm256_add_epi32(a.low, half), shift), high = _mm256_srai_epi32(_mm256_add_epi32(a.high, half), shift);
  return _mm256_packs_epi32(low, high);
}

INLINE void transform(__m256i v[8], int shift) {
  const Wide even3 = rotate(v[2], v[6], F0_541 + F0_765, F0_541), even2 = rotate(v[2], v[6], F0_541, F0_541 - F1_847);
  const Wide even0 = scaled(_mm256_add_epi16(v[0], v[4])), even1 = scaled(_mm256_sub_epi16(v[0], v[4]));
  const Wide e0 = plus(even0, even3), e3 = minus(even0, even3), e1 = plus(even1, even2), e2 = minus(even1, even2);
  const __m256i z3 = _mm256_add_epi16(v[7], v[3]), z4 = _mm256_add_epi16(v[5], v[1]);
  const Wide y3 = rotate(z3, z4, F1_175 - F1_961, F1_175), y4 = rotate(z3, z4, F1_175, F1_175 - F0_390);
  const Wide o0 = plus(rotate(v[7], v[1], F0_298 - F0_899, -F0_899), y3), o3 = plus(rotate(v[7], v[1], -F0_899, F1_501 - F0_899), y4);
  const Wide o1 = plus(rotate(v[5], v[3], F2_053 - F2_562, -F2_562), y4), o2 = plus(rotate(v[5], v[3], -F2_562, F3_072 - F2_562), y3);
  v[0] = rounded(plus(e0, o3), shift);
  v[7] = rounded(minus(e0, o3), shift);
  v[1] = rounded(plus(e1, o2), shift);
  v[6] = rounded(minus(e1, o2), shift);
  v[2] = rounded(plus(e2, o1), shift);
  v[5] = rounded(minus(e2, o1), shift);
  v[3] = rounded(plus(e3, o0), shift);
  v[4] = rounded(minus(e3, o0), shift);
}

INLINE void transpose(__m256i v[8]) {
  __m256i a[8], b[8];
  for (int i = 0; i < 4; i++) {
    a[2 * i] = _mm256_unpacklo_epi16(v[2 * i], v[2 * i + 1]);
    a[2 * i + 1] = _mm256_unpackhi_epi16(v[2 * i], v[2 * i + 1]);
  }
  for (int i = 0; i < 2; i++) {
    b[4 * i] = _mm256_unpacklo_epi32(a[4 * i], a[4 * i + 2]);
    b[4 * i + 1] = _mm256_unpackhi_epi32(a[4 * i], a[4 * i + 2]);
    b[4 * i + 2] = _mm256_unpacklo_epi32(a[4 * i + 1], a[4 * i + 3]);
    b[4 * i + 3] = _mm256_unpackhi_epi32(a[4 * i + 1], a[4 * i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    v[2 * i] = _mm256_unpacklo_epi64(b[i], b[i + 4]);
    v[2 * i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 4]);
  }
}

// The second of two blocks may be the first one again.
static void inverse_dct(const Block *first, const Block *second) {
  __m256i v[8];
  for (int i = 0; i < 8; i++) {
    const __m128i *one = (const __m128i *)(first->values + 8 * i), *other = (const __m128i *)(second->values + 8 * i);
    v[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(one)), _mm_loadu_si128(other), 1);
  }
  transform(v, 11);
  transpose(v);
  transform(v, 18);
  transpose(v);
  const __m256i middle = _mm256_set1_epi8((char)128);
  for (int i = 0; i < 8; i += 2) {
    const __m256i rows = _mm256_add_epi8(_mm256_packs_epi16(v[i], v[i + 1]), middle);
    const __m128i one = _mm256_castsi256_si128(rows), other = _mm256_extracti128_si256(rows, 1);
    _mm_storel_epi64((__m128i *)(first->to + i * first->stride), one);
    _mm_storel_epi64((__m128i *)(first->to + (i + 1) * first->stride), _mm_unpackhi_epi64(one, one));
    _mm_storel_epi64((__m128i *)(second->to + i * second->stride), other);
    _mm_storel_epi64((__m128i *)(second->to + (i + 1) * second->stride), _mm_unpackhi_epi64(other, other));
  }
}
#else
INLINE int16_t saturated(int32_t x) { return x > 32767 ? 32767 : x < -32768 ? -32768 : (int16_t)x; }

static void transform(int16_t *v, int step, int shift) {
#define IN(i) (int32_t) v[(i) * step]
  const int32_t even3 = IN(2) * (F0_541 + F0_765) + IN(6) * F0_541, even2 = IN(2) * F0_541 + IN(6) * (F0_541 - F1_847);
  const int32_t even0 = (int16_t)(IN(0) + IN(4)) * 8192, even1 = (int16_t)(IN(0) - IN(4)) * 8192;
  const int32_t e[4] = {even0 + even3, even1 + even2, even1 - even2, even0 - even3};
  const int32_t z3 = (int16_t)(IN(7) + IN(3)), z4 = (int16_t)(IN(5) + IN(1));
  const int32_t y3 = z3 * (F1_175 - F1_961) + z4 * F1_175, y4 = z3 * F1_175 + z4 * (F1_175 - F0_390);
  const int32_t o[4] = {
    IN(7) * -F0_899 + IN(1) * (F1_501 - F0_899) + y4,
    IN(5) * -F2_562 + IN(3) * (F3_072 - F2_562) + y3,
    IN(5) * (F2_053 - F2_562) + IN(3) * -F2_562 + y4,
    IN(7) * (F0_298 - F0_899) + IN(1) * -F0_899 + y3,
  };
#undef IN
  const int32_t half = 1 << (shift - 1);
  for (int i = 0; i < 4; i++) {
    v[i * step] = saturated((e[i] + o[i] + half) >> shift);
    v[(7 - i) * step] = saturated((e[i] - o[i] + half) >> shift);
  }
}

static void inverse_one(const Block *block) {
  int16_t v[64];
  memcpy(v, block->values, sizeof v);
  for (int i = 0; i < 8; i++) transform(v + i, 8, 11);
  for (int i = 0; i < 8; i++) {
    transform(v + 8 * i, 1, 18);
    for (int x = 0; x < 8; x++) {
      const int value = v[8 * i + x] + 128;
      block->to[i * block->stride + x] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
  }
}

static void inverse_dct(const Block *first, const Block *second) {
  inverse_one(first);
  if (second != first) inverse_one(second);
}
#endif

// A block that has only its first coefficient has one value.
static void fill_block(const Block *block) {
  const int value = ((block->values[0] * 4 + 16) >> 5) + 128;
  const uint8_t pixel = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
  for (int i = 0; i < 8; i++) memset(block->to + i * block->stride, pixel, 8);
}
