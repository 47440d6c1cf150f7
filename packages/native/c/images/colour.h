// Rows of chroma at the size of luma ("fancy" upsampling of libjpeg: 3/4 of the nearer sample, 1/4 of the farther one), and YCbCr to RGB.
#pragma once
#include "images.h"

// Doubles a row, of sums in units of 1/4 (h2v2) or of samples (h2v1): sums[0] is left of the first, sums[count + 1] right of the last.
INLINE void double_row(uint8_t *to, const uint16_t *sums, long count, int even, int odd, int shift) {
  for (long i = 0; i < count; i++) {
    const uint16_t here = (uint16_t)(3 * sums[i + 1]);
    const uint16_t left = (uint16_t)((uint16_t)(here + sums[i] + even) >> shift);
    const uint16_t right = (uint16_t)((uint16_t)(here + sums[i + 2] + odd) >> shift);
    const uint16_t both = (uint16_t)(left | right << 8);
    __builtin_memcpy(to + 2 * i, &both, 2);
  }
}

// Samples first .. first + count - 1 of a row of `length` (in `near`, and `far` above or below it), doubled to `to`. `base` is the column
// of near[0]. For h2v1, `far` is NULL.
static void upsample(uint8_t *to, uint16_t *sums, const uint8_t *near, const uint8_t *far, long base, long first, long count, long length) {
  const long from = first > 0 ? first - 1 : 0, end = first + count < length ? first + count + 1 : length;
  uint16_t *at = sums + 1 - first;
  if (far)
    for (long x = from; x < end; x++) at[x] = (uint16_t)(3 * near[x - base] + far[x - base]);
  else
    for (long x = from; x < end; x++) at[x] = near[x - base];
  if (first == 0) at[-1] = at[0];
  if (first + count >= length) at[length] = at[length - 1];
  if (far) double_row(to, sums, count, 8, 7, 4);
  else double_row(to, sums, count, 1, 2, 2);
}

INLINE uint8_t clamped(int x) { return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x); }

static void to_rgb_plain(uint8_t *to, const uint8_t *luma, const uint8_t *blue, const uint8_t *red, long count) {
  for (long i = 0; i < count; i++) {
    const int y = luma[i], cb = blue[i] - 128, cr = red[i] - 128;
    to[3 * i] = clamped(y + ((91881 * cr + 32768) >> 16));
    to[3 * i + 1] = clamped(y + ((-22554 * cb - 46802 * cr + 32768) >> 16));
    to[3 * i + 2] = clamped(y + ((116130 * cb + 32768) >> 16));
  }
}

// YCbCr of JFIF to RGB, in the 16-bit integers of libjpeg.
static void to_rgb(uint8_t *to, const uint8_t *luma, const uint8_t *blue, const uint8_t *red, long count) {
  long i = 0;
#if defined(__AVX2__)
  const __m256i middle = _mm256_set1_epi16(128), one = _mm256_set1_epi16(1), half = _mm256_set1_epi32(32768);
  const __m256i to_red = _mm256_set1_epi16(26345), to_blue = _mm256_set1_epi16(-14942);
  const __m256i to_green = _mm256_set1_epi32((int)((uint32_t)(uint16_t)-22554 | 18734u << 16));
  const __m128i red0 = _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5);
  const __m128i red1 = _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1);
  const __m128i red2 = _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1);
  const __m128i green0 = _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1);
  const __m128i green1 = _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10);
  const __m128i green2 = _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1);
  const __m128i blue0 = _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1);
  const __m128i blue1 = _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1);
  const __m128i blue2 = _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15);
#define SIXTEEN(from) _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)((from) + i)))
#define BYTES(x) _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi16(x, x), 0x08))
#define PLACE(n) _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, red##n), _mm_shuffle_epi8(g, green##n)), _mm_shuffle_epi8(b, blue##n))
  for (; i + 16 <= count; i += 16) {
    const __m256i y = SIXTEEN(luma), cb = _mm256_sub_epi16(SIXTEEN(blue), middle), cr = _mm256_sub_epi16(SIXTEEN(red), middle);
    const __m256i cb2 = _mm256_add_epi16(cb, cb), cr2 = _mm256_add_epi16(cr, cr);
    // 1.402 = 1 + 0.402; 1.772 = 2 - 0.228; 0.71414 = 1 - 0.28586. The product of twice the value is halved last, rounded.
    const __m256i more = _mm256_srai_epi16(_mm256_add_epi16(_mm256_mulhi_epi16(cr2, to_red), one), 1);
    const __m256i less = _mm256_srai_epi16(_mm256_add_epi16(_mm256_mulhi_epi16(cb2, to_blue), one), 1);
    const __m256i low = _mm256_srai_epi32(_mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(cb, cr), to_green), half), 16);
    const __m256i high = _mm256_srai_epi32(_mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(cb, cr), to_green), half), 16);
    const __m128i r = BYTES(_mm256_add_epi16(_mm256_add_epi16(y, cr), more));
    const __m128i g = BYTES(_mm256_add_epi16(_mm256_sub_epi16(y, cr), _mm256_packs_epi32(low, high)));
    const __m128i b = BYTES(_mm256_add_epi16(_mm256_add_epi16(y, cb2), less));
    _mm_storeu_si128((__m128i *)(to + 3 * i), PLACE(0));
    _mm_storeu_si128((__m128i *)(to + 3 * i + 16), PLACE(1));
    _mm_storeu_si128((__m128i *)(to + 3 * i + 32), PLACE(2));
  }
#undef SIXTEEN
#undef BYTES
#undef PLACE
#endif
  to_rgb_plain(to + 3 * i, luma + i, blue + i, red + i, count - i);
}
