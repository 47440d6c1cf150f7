// Images: JPEG files to pixels, resizing, and normalised planes. Integers only, so that the pixels are those of the portable path.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

// Bytes that may be read beyond a row of pixels.
#define ROW_SLACK 32

typedef struct {
  int width, height, components; // 1 or 3
  int h, v;                      // samples of luma for one of chroma, across and down
  int restart;                   // MCUs between restart markers; 0: none
  int orientation;               // of EXIF, 1 to 8
  int is_jfif, is_adobe, transform, has_exif;
  int ids[3], quantisation[3];
  const uint8_t *tables[4], *codes[2][4]; // by number: quantisation in zigzag order; 16 counts, then symbols
  const uint8_t *quant[3], *dc[3], *ac[3]; // of each component
  const uint8_t *scan, *end;               // entropy-coded data and what follows it
} JpegHeader;

// Returns 0 for a file that is left to another decoder.
int read_jpeg_header(const uint8_t *bytes, long length, JpegHeader *header);

// One entry of taps for each output pixel: first input pixel, pairs of inputs, then for each pair the weights high0, high1, low0, low1; a
// weight of 22 binary places is high * 4096 + low.
typedef struct {
  const uint8_t *entries;
  long entry_bytes;
  int size;
} Taps;

// One row of pixels of `channels` bytes becomes taps->size pixels.
void weigh_row(uint8_t *to, const uint8_t *from, int channels, const Taps *taps);
