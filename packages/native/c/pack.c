// Packing: a view's elements to panels, in which a tile's vectors lie one after the other.
#include "gemm.h"

enum { STRIPE = 32, WIDEST = 64 }; // k at a time; no panel is wider

INLINE Four four_bfloat16(const bfloat16 *p) {
  uint16_t half __attribute__((vector_size(8)));
  memcpy(&half, p, 8);
  typedef uint32_t FourWords __attribute__((vector_size(16)));
  return (Four)(__builtin_convertvector(half, FourWords) << 16);
}

INLINE Four four(View v, long at) {
  if (v.is_bfloat16) return four_bfloat16((const bfloat16 *)v.data + at);
  Four r;
  memcpy(&r, (const float *)v.data + at, 16);
  return r;
}

INLINE float one(View v, long at) {
  if (!v.is_bfloat16) return ((const float *)v.data)[at];
  const uint32_t bits = (uint32_t)((const bfloat16 *)v.data)[at] << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

INLINE void put(float *out, Four v) { memcpy(out, &v, 16); }

// Four rows of four to four columns.
INLINE void transpose4(Four r[4]) {
  const FourInts low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, left = {0, 1, 4, 5}, right = {2, 3, 6, 7};
  const Four a = __builtin_shuffle(r[0], r[1], low), b = __builtin_shuffle(r[2], r[3], low);
  const Four c = __builtin_shuffle(r[0], r[1], high), d = __builtin_shuffle(r[2], r[3], high);
  r[0] = __builtin_shuffle(a, b, left);
  r[1] = __builtin_shuffle(a, b, right);
  r[2] = __builtin_shuffle(c, d, left);
  r[3] = __builtin_shuffle(c, d, right);
}

// One stripe of one panel as floats: out[k][wide], with zeros for i >= count.
INLINE void pack_stripe(View v, long i0, long count, long k0, long ks, int wide, float *out) {
  if (count < wide) memset(out, 0, sizeof(float) * (size_t)(ks * wide));
  const long n = count < wide ? count : wide;
  long whole = n / 4 * 4;
  if (v.i_step == 1) {
    for (long k = 0; k < ks; k++) {
      const long at = i0 + (k0 + k) * v.k_step;
      for (long i = 0; i < whole; i += 4) put(out + k * wide + i, four(v, at + i));
      for (long i = whole; i < n; i++) out[k * wide + i] = one(v, at + i);
    }
    return;
  }
  const long whole_k = ks / 4 * 4;
  for (long i = 0; i < whole; i += 4) {
    const long at = (i0 + i) * v.i_step + k0;
    for (long k = 0; k < whole_k; k += 4) {
      Four r[4];
      for (int j = 0; j < 4; j++) r[j] = four(v, at + j * v.i_step + k);
      transpose4(r);
      for (int j = 0; j < 4; j++) put(out + (k + j) * wide + i, r[j]);
    }
    for (long k = whole_k; k < ks; k++)
      for (int j = 0; j < 4; j++) out[k * wide + i + j] = one(v, at + j * v.i_step + k);
  }
  for (long i = whole; i < n; i++)
    for (long k = 0; k < ks; k++) out[k * wide + i] = one(v, (i0 + i) * v.i_step + k0 + k);
}

// The same with constants for the widths and kinds that there are, so that the loops are unrolled.
static void pack_floats(View v, long i0, long count, long k0, long ks, int wide, float *out) {
  const int is_left = wide == TILE_ROWS;
  if (v.is_bfloat16) {
    v.is_bfloat16 = 1;
    if (is_left) pack_stripe(v, i0, count, k0, ks, TILE_ROWS, out);
    else pack_stripe(v, i0, count, k0, ks, TILE_COLUMNS, out);
  } else {
    v.is_bfloat16 = 0;
    if (is_left) pack_stripe(v, i0, count, k0, ks, TILE_ROWS, out);
    else pack_stripe(v, i0, count, k0, ks, TILE_COLUMNS, out);
  }
}

// Along the memory that is read: where k is contiguous, panel by panel; else stripe by stripe of k, over all panels.
static void pack_float32(View v, long i0, long count, long k0, long k1, int wide, int is_right, char *out, size_t panel_bytes) {
  (void)is_right;
  const long stripe = v.k_step == 1 ? k1 - k0 : STRIPE;
  for (long k = k0; k < k1; k += stripe) {
    const long ks = k1 - k < stripe ? k1 - k : stripe;
    for (long i = 0; i < count; i += wide)
      pack_floats(v, i0 + i, count - i, k, ks, wide, (float *)(out + (size_t)(i / wide) * panel_bytes) + (k - k0) * wide);
  }
}

// Lines of `from` to a block of 32 k: its 16 even lines, then its 16 odd ones.
INLINE float *put_block(const float *from, int wide, float *out) {
  for (int parity = 0; parity < 2; parity++)
    for (int k = parity; k < 32; k += 2, out += wide) memcpy(out, from + k * wide, sizeof(float) * (size_t)wide);
  return out;
}

// The same, rounded on the way; for panels of whole vectors.
INLINE void put_rounded(const float *from, int wide, float *out) {
  for (int parity = 0; parity < 2; parity++)
    for (int k = parity; k < 32; k += 2, out += wide)
      for (int i = 0; i < wide; i += WIDTH) store(out + i, round_to_bfloat16(load(from + k * wide + i)));
}

// One block of 32 k of one panel, as bfloat16 that are kept as floats. `copies` is 1; or 3, for hi hi lo (left) and hi lo hi (right).
INLINE void pack_block(View v, long i0, long count, long k, long ks, int wide, int is_right, float *to, int copies) {
  float raw[32 * WIDEST] __attribute__((aligned(64))), high[32 * WIDEST] __attribute__((aligned(64)));
  if (ks < 32) memset(raw + ks * wide, 0, sizeof(float) * (size_t)((32 - ks) * wide));
  pack_floats(v, i0, count, k, ks, wide, raw);
  if (copies == 1 && wide % WIDTH == 0) {
    put_rounded(raw, wide, to);
    return;
  }
  for (int j = 0; j < 32 * wide; j += WIDTH) {
    const Floats x = load(raw + j), rounded = round_to_bfloat16(x);
    store(high + j, rounded);
    if (copies == 3) store(raw + j, round_to_bfloat16(x - rounded));
  }
  to = put_block(high, wide, to);
  if (copies == 3) put_block(is_right ? high : raw, wide, put_block(is_right ? raw : high, wide, to));
}

INLINE void pack_blocks(View v, long i0, long count, long k0, long k1, int wide, int is_right, char *out, size_t panel_bytes, int copies) {
  const long panels_at_once = v.k_step == 1 ? wide : count;
  for (long first = 0; first < count; first += panels_at_once)
    for (long k = k0; k < k1; k += 32)
      for (long i = first; i < count && i < first + panels_at_once; i += wide)
        pack_block(v, i0 + i, count - i, k, k1 - k < 32 ? k1 - k : 32, wide, is_right,
                   (float *)(out + (size_t)(i / wide) * panel_bytes) + (k - k0) * copies * wide, copies);
}

static void pack_copies(View v, long i0, long count, long k0, long k1, int wide, int is_right, char *out, size_t panel_bytes, int copies) {
  if (wide == TILE_ROWS) pack_blocks(v, i0, count, k0, k1, TILE_ROWS, is_right, out, panel_bytes, copies);
  else pack_blocks(v, i0, count, k0, k1, TILE_COLUMNS, is_right, out, panel_bytes, copies);
}

static void pack_bfloat16(View v, long i0, long count, long k0, long k1, int wide, int is_right, char *out, size_t panel_bytes) {
  pack_copies(v, i0, count, k0, k1, wide, is_right, out, panel_bytes, 1);
}

static void pack_x3(View v, long i0, long count, long k0, long k1, int wide, int is_right, char *out, size_t panel_bytes) {
  pack_copies(v, i0, count, k0, k1, wide, is_right, out, panel_bytes, 3);
}
