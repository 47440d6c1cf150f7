// Resizing of 8-bit images by taps, to the bits of the WebAssembly kernels (packages/kernels/src/pixels.wat), and normalised planes.
#include "images.h"
#include <string.h>

typedef struct {
  int32_t first, pairs;
  int16_t weights[]; // of each pair: high0, high1, low0, low1
} Entry;

INLINE const Entry *entry_at(const Taps *taps, long i) { return (const Entry *)(taps->entries + i * taps->entry_bytes); }

INLINE uint8_t whole(int32_t high, int32_t low) {
  const int32_t value = ((int32_t)((uint32_t)high << 12) + low) >> 22;
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

#if defined(__AVX2__)
INLINE __m128i whole4(__m128i high, __m128i low) {
  const __m128i values = _mm_srai_epi32(_mm_add_epi32(_mm_slli_epi32(high, 12), low), 22);
  return _mm_packus_epi16(_mm_packs_epi32(values, values), values);
}

// Two pixels lie side by side; their values of one channel come together.
INLINE void weigh_row_of(uint8_t *to, const uint8_t *from, const int channels, const Taps *taps) {
  const __m128i order = channels == 3 ? _mm_setr_epi8(0, 3, 1, 4, 2, 5, -1, -1, 6, 9, 7, 10, 8, 11, -1, -1)
                                      : _mm_setr_epi8(0, 1, -1, -1, -1, -1, -1, -1, 2, 3, -1, -1, -1, -1, -1, -1);
  for (long x = 0; x < taps->size; x++, to += channels) {
    const Entry *entry = entry_at(taps, x);
    const uint8_t *at = from + (long)entry->first * channels;
    const int16_t *weights = entry->weights;
    __m256i high = _mm256_setzero_si256(), low = high;
    int pairs = entry->pairs;
    for (; pairs >= 2; pairs -= 2, at += 4 * channels, weights += 8) {
      const __m256i four = _mm256_cvtepu8_epi16(_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)at), order));
      const __m256i both = _mm256_permute4x64_epi64(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)weights)), 0x50);
      high = _mm256_add_epi32(high, _mm256_madd_epi16(four, _mm256_shuffle_epi32(both, 0x00)));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(four, _mm256_shuffle_epi32(both, 0x55)));
    }
    __m128i high4 = _mm_add_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    __m128i low4 = _mm_add_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    if (pairs) {
      const __m128i two = _mm_cvtepu8_epi16(_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)at), order));
      const __m128i pair = _mm_loadl_epi64((const __m128i *)weights);
      high4 = _mm_add_epi32(high4, _mm_madd_epi16(two, _mm_shuffle_epi32(pair, 0x00)));
      low4 = _mm_add_epi32(low4, _mm_madd_epi16(two, _mm_shuffle_epi32(pair, 0x55)));
    }
    const int pixel = _mm_cvtsi128_si32(whole4(high4, _mm_add_epi32(low4, _mm_set1_epi32(0x200000))));
    memcpy(to, &pixel, channels);
  }
}
#else
INLINE void weigh_row_of(uint8_t *to, const uint8_t *from, const int channels, const Taps *taps) {
  for (long x = 0; x < taps->size; x++)
    for (int c = 0; c < channels; c++) {
      const Entry *entry = entry_at(taps, x);
      const uint8_t *at = from + (long)entry->first * channels + c;
      int32_t high = 0, low = 0x200000;
      for (int i = 0; i < entry->pairs; i++, at += 2 * channels) {
        const int16_t *weights = entry->weights + 4 * i;
        high += at[0] * weights[0] + at[channels] * weights[1];
        low += at[0] * weights[2] + at[channels] * weights[3];
      }
      to[x * channels + c] = whole(high, low);
    }
}
#endif

void weigh_row(uint8_t *to, const uint8_t *from, int channels, const Taps *taps) {
  if (channels == 3) weigh_row_of(to, from, 3, taps);
  else weigh_row_of(to, from, 1, taps);
}

// `rows` rows, `row_bytes` apart, of an image that ends at `end`: a last one is copied to `scratch` (row_bytes + ROW_SLACK), since up to
// ROW_SLACK bytes beyond a row are read.
void weigh_image(
    uint8_t *to, const uint8_t *from, const uint8_t *end, long rows, long row_bytes, int channels, const Taps *taps, uint8_t *scratch) {
  for (long y = 0; y < rows; y++, to += taps->size * channels, from += row_bytes) {
    const uint8_t *row = from;
    if (end - from < row_bytes + ROW_SLACK) {
      memcpy(scratch, from, end - from < row_bytes ? end - from : row_bytes);
      row = scratch;
    }
    weigh_row(to, row, channels, taps);
  }
}

static void weigh_columns(uint8_t *to, const uint8_t *from, long row_bytes, const Entry *entry, long first, long last) {
  for (long x = first; x < last; x++) {
    const uint8_t *at = from + (long)entry->first * row_bytes + x;
    int32_t high = 0, low = 0x200000;
    for (int i = 0; i < entry->pairs; i++, at += 2 * row_bytes) {
      const int16_t *weights = entry->weights + 4 * i;
      high += at[0] * weights[0] + at[row_bytes] * weights[1];
      low += at[0] * weights[2] + at[row_bytes] * weights[3];
    }
    to[x] = whole(high, low);
  }
}

// Rows of `row_bytes` become taps->size rows. Where an entry has an odd number of inputs, one row beyond the last is read.
void weigh_rows(uint8_t *to, const uint8_t *from, long row_bytes, const Taps *taps) {
  for (long y = 0; y < taps->size; y++, to += row_bytes) {
    const Entry *entry = entry_at(taps, y);
    long x = 0;
#if defined(__AVX2__)
    const __m256i zero = _mm256_setzero_si256();
    for (; x + 32 <= row_bytes; x += 32) {
      const uint8_t *at = from + (long)entry->first * row_bytes + x;
      __m256i high[4] = {zero, zero, zero, zero}, low[4];
      for (int i = 0; i < 4; i++) low[i] = _mm256_set1_epi32(0x200000);
      for (int pair = 0; pair < entry->pairs; pair++, at += 2 * row_bytes) {
        const __m256i above = _mm256_loadu_si256((const __m256i *)at), below = _mm256_loadu_si256((const __m256i *)(at + row_bytes));
        int32_t weights[2];
        memcpy(weights, entry->weights + 4 * pair, 8);
        const __m256i upper = _mm256_set1_epi32(weights[0]), lower = _mm256_set1_epi32(weights[1]);
        const __m256i left = _mm256_unpacklo_epi8(above, below), right = _mm256_unpackhi_epi8(above, below);
        const __m256i two[4] = {_mm256_unpacklo_epi8(left, zero), _mm256_unpackhi_epi8(left, zero), _mm256_unpacklo_epi8(right, zero),
                                _mm256_unpackhi_epi8(right, zero)};
        for (int i = 0; i < 4; i++) {
          high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(two[i], upper));
          low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(two[i], lower));
        }
      }
      __m256i values[4];
      for (int i = 0; i < 4; i++) values[i] = _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(high[i], 12), low[i]), 22);
      const __m256i halves = _mm256_packs_epi32(values[0], values[1]), others = _mm256_packs_epi32(values[2], values[3]);
      _mm256_storeu_si256((__m256i *)(to + x), _mm256_packus_epi16(halves, others));
    }
#endif
    weigh_columns(to, from, row_bytes, entry, x, row_bytes);
  }
}

// Pixels [side, side, channels of 1 or `planes`] become normalised planes [planes, side, side] by a table of 256 values of each, mirrored
// where asked for.
void look_up_planes(float *to, const uint8_t *from, const float *table, long side, int channels, int planes, int is_flipped) {
  for (int c = 0; c < planes; c++) {
    const float *values = table + 256 * c;
    const uint8_t *at = from + (channels == 1 ? 0 : c);
    for (long y = 0; y < side; y++, to += side, at += side * channels) {
      if (is_flipped)
        for (long x = 0; x < side; x++) to[side - 1 - x] = values[at[x * channels]];
      else
        for (long x = 0; x < side; x++) to[x] = values[at[x * channels]];
    }
  }
}
