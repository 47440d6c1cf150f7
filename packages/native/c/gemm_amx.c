// Tiles of bfloat16 on Intel's AMX: two by two tiles of 16 by 16, so panels are 32 wide. A panel holds, for each 32 of k, two tiles of
// 1 kB: 16 lines (rows on the left; pairs of k on the right) of 16 pairs of bfloat16.

enum { AMX_WIDE = 32, AMX_TILE_BYTES = 1024 };

static void begin_tiles(void) {
  static const struct __attribute__((packed)) {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } configuration = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
  _tile_loadconfig(&configuration);
}

static void end_tiles(void) { _tile_release(); }

static void multiply_tiles(const char *left, const char *right, long depth, float *out, int is_later) {
  enum { STRIDE = AMX_WIDE * 4 };
  if (is_later) {
    _tile_loadd(0, out, STRIDE);
    _tile_loadd(1, out + 16, STRIDE);
    _tile_loadd(2, out + 16 * AMX_WIDE, STRIDE);
    _tile_loadd(3, out + 16 * AMX_WIDE + 16, STRIDE);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (long k = 0; k < depth; k += 32, left += 2 * AMX_TILE_BYTES, right += 2 * AMX_TILE_BYTES) {
    _tile_loadd(4, left, 64);
    _tile_loadd(6, right, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, right + AMX_TILE_BYTES, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, left + AMX_TILE_BYTES, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, out, STRIDE);
  _tile_stored(1, out + 16, STRIDE);
  _tile_stored(2, out + 16 * AMX_WIDE, STRIDE);
  _tile_stored(3, out + 16 * AMX_WIDE + 16, STRIDE);
}

// Lines k, k + 1 of `block` [32][AMX_WIDE] to pairs: word i of line k / 2 has (k, i) in its low and (k + 1, i) in its high half.
INLINE void pair_lines(const float *block, uint32_t *pairs) {
  for (int k = 0; k < 32; k += 2)
    for (int i = 0; i < AMX_WIDE; i += WIDTH) {
      const Words even = round_words(load(block + k * AMX_WIDE + i)), odd = round_words(load(block + (k + 1) * AMX_WIDE + i));
      const Words pair = even | odd << 16;
      memcpy(pairs + k / 2 * AMX_WIDE + i, &pair, sizeof pair);
    }
}

// Two tiles: on the right as the pairs are, on the left with words transposed.
INLINE char *put_tiles(const uint32_t *pairs, int is_right, char *out) {
  uint32_t *word = (uint32_t *)(void *)out;
  for (int tile = 0; tile < 2; tile++, word += 256)
    for (int line = 0; line < 16; line++)
      for (int i = 0; i < 16; i++) word[line * 16 + i] = is_right ? pairs[line * AMX_WIDE + tile * 16 + i] : pairs[i * AMX_WIDE + tile * 16 + line];
  return out + 2 * AMX_TILE_BYTES;
}

INLINE void pack_amx(View v, long i0, long count, long k0, long k1, int is_right, char *out, size_t panel_bytes, int copies) {
  float raw[32 * AMX_WIDE] __attribute__((aligned(64)));
  uint32_t high[16 * AMX_WIDE] __attribute__((aligned(64))), low[16 * AMX_WIDE] __attribute__((aligned(64)));
  for (long k = k0; k < k1; k += 32) {
    const long ks = k1 - k < 32 ? k1 - k : 32;
    for (long i = 0; i < count; i += AMX_WIDE) {
      if (ks < 32) memset(raw + ks * AMX_WIDE, 0, sizeof(float) * (size_t)((32 - ks) * AMX_WIDE));
      pack_stripe(v, i0 + i, count - i, k, ks, AMX_WIDE, raw);
      pair_lines(raw, high);
      char *to = out + (size_t)(i / AMX_WIDE) * panel_bytes + (k - k0) * copies * AMX_WIDE * 2;
      to = put_tiles(high, is_right, to);
      if (copies == 1) continue;
      for (int j = 0; j < 32 * AMX_WIDE; j += WIDTH) store(raw + j, load(raw + j) - round_to_bfloat16(load(raw + j)));
      pair_lines(raw, low);
      put_tiles(is_right ? high : low, is_right, put_tiles(is_right ? low : high, is_right, to));
    }
  }
}

static void pack_amx_bfloat16(View v, long i0, long count, long k0, long k1, int wide, int is_right, char *out, size_t panel_bytes) {
  (void)wide;
  if (v.is_bfloat16) pack_amx((View){v.data, v.i_step, v.k_step, 1}, i0, count, k0, k1, is_right, out, panel_bytes, 1);
  else pack_amx((View){v.data, v.i_step, v.k_step, 0}, i0, count, k0, k1, is_right, out, panel_bytes, 1);
}

static void pack_amx_x3(View v, long i0, long count, long k0, long k1, int wide, int is_right, char *out, size_t panel_bytes) {
  (void)wide;
  pack_amx(v, i0, count, k0, k1, is_right, out, panel_bytes, 3);
}

static const Product AMX_BFLOAT16 = {
  .rows = AMX_WIDE, .columns = AMX_WIDE, .k_multiple = 32, .copies = 1, .element_bytes = 2, .pack = pack_amx_bfloat16,
  .multiply = multiply_tiles, .begin = begin_tiles, .end = end_tiles,
};

static const Product AMX_X3 = {
  .rows = AMX_WIDE, .columns = AMX_WIDE, .k_multiple = 32, .copies = 3, .element_bytes = 2, .pack = pack_amx_x3,
  .multiply = multiply_tiles, .begin = begin_tiles, .end = end_tiles,
};
