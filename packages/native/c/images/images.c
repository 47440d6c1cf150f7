// What is called from outside. Compiled with the flags of the lowest instruction set: maestro_has_images says whether the machine has it.
#include "jpeg_header.c"
#include "resize.c"
#include "jpeg.c"
#include "turn.c"

#define EXPORT __attribute__((visibility("default")))

// Upright width and height, channels and orientation of a JPEG file that can be decoded here; 0 for any other file.
EXPORT int maestro_jpeg_size(const uint8_t *bytes, int64_t length, int32_t *size) {
  JpegHeader header;
  if (!read_jpeg_header(bytes, length, &header)) return 0;
  const int is_swapped = header.orientation > 4;
  size[0] = is_swapped ? header.height : header.width;
  size[1] = is_swapped ? header.width : header.height;
  size[2] = header.components;
  size[3] = header.orientation;
  return 1;
}

// For a box of an upright file; to decode a turned one takes as many bytes more as the box has.
EXPORT int64_t maestro_jpeg_scratch(int64_t length, int64_t width) { return jpeg_scratch_bytes(length, width) + 32; }

// Decodes the box (left, top, width, height) to rows of pixels; with taps, each row of an upright file is made narrower. 0 where another
// decoder has to.
EXPORT int maestro_jpeg_decode(
    const uint8_t *bytes, int64_t length, const int32_t *box, uint8_t *to, const uint8_t *taps, int64_t tap_bytes, int32_t size,
    uint8_t *scratch, int64_t room) {
  const Taps across = {taps, tap_bytes, size};
  JpegHeader header;
  if (!read_jpeg_header(bytes, length, &header)) return 0;
  if (header.orientation == 1) return decode_jpeg(bytes, length, box, taps ? &across : NULL, 0, to, scratch, room - 32);
  const Turn turn = turn_of(header.orientation, header.width, header.height);
  int32_t stored[4];
  stored_box(&turn, box, stored);
  const int64_t taken = (int64_t)box[2] * box[3] * header.components;
  // libvips decodes a turned file whole.
  if (taps || box[2] < 1 || box[3] < 1 || taken > room - 32) return 0;
  if (!decode_jpeg(bytes, length, stored, NULL, 1, scratch, scratch + taken, room - 32 - taken)) return 0;
  turn_box(to, scratch, &turn, box, stored, header.components);
  return 1;
}

EXPORT void maestro_weigh_image(
    uint8_t *to, const uint8_t *from, int64_t offset, int64_t length, int64_t rows, int64_t row_bytes, int channels, const uint8_t *taps,
    int64_t tap_bytes, int32_t size, uint8_t *scratch) {
  const Taps across = {taps, tap_bytes, size};
  weigh_image(to, from + offset, from + length, rows, row_bytes, channels, &across, scratch);
}

EXPORT void maestro_weigh_rows(uint8_t *to, const uint8_t *from, int64_t row_bytes, const uint8_t *taps, int64_t tap_bytes, int32_t size) {
  const Taps down = {taps, tap_bytes, size};
  weigh_rows(to, from, row_bytes, &down);
}

EXPORT void maestro_look_up_planes(
    float *to, const uint8_t *from, const float *table, int64_t side, int channels, int planes, int is_flipped) {
  look_up_planes(to, from, table, side, channels, planes, is_flipped);
}
