// Pixels as EXIF orientation says: which stored pixels are an upright box, and the box turned upright.
#include "images.h"
#include <string.h>

// The upright pixel (x, y) is stored at (x0 + x * across_x + y * down_x, y0 + x * across_y + y * down_y).
typedef struct {
  long x0, y0, across_x, across_y, down_x, down_y;
} Turn;

static Turn turn_of(int orientation, long width, long height) {
  const long right = width - 1, bottom = height - 1;
  switch (orientation) {
  case 2: return (Turn){right, 0, -1, 0, 0, 1};
  case 3: return (Turn){right, bottom, -1, 0, 0, -1};
  case 4: return (Turn){0, bottom, 1, 0, 0, -1};
  case 5: return (Turn){0, 0, 0, 1, 1, 0};
  case 6: return (Turn){0, bottom, 0, -1, 1, 0};
  case 7: return (Turn){right, bottom, 0, -1, -1, 0};
  case 8: return (Turn){right, 0, 0, 1, -1, 0};
  default: return (Turn){0, 0, 1, 0, 0, 1};
  }
}

// The stored box (left, top, width, height) of an upright one.
static void stored_box(const Turn *turn, const int32_t *upright, int32_t *stored) {
  const long x[2] = {upright[0], upright[0] + upright[2] - 1}, y[2] = {upright[1], upright[1] + upright[3] - 1};
  long first_x = 0, first_y = 0;
  for (int i = 0; i < 2; i++) {
    const long at_x = turn->x0 + x[i] * turn->across_x + y[i] * turn->down_x, at_y = turn->y0 + x[i] * turn->across_y + y[i] * turn->down_y;
    if (i == 0 || at_x < first_x) first_x = at_x;
    if (i == 0 || at_y < first_y) first_y = at_y;
  }
  const int is_swapped = turn->across_x == 0;
  stored[0] = (int32_t)first_x;
  stored[1] = (int32_t)first_y;
  stored[2] = upright[is_swapped ? 3 : 2];
  stored[3] = upright[is_swapped ? 2 : 3];
}

// Writes the upright box from the stored one, in squares that caches hold.
static void turn_box(uint8_t *to, const uint8_t *from, const Turn *turn, const int32_t *upright, const int32_t *stored, long channels) {
  enum { SQUARE = 32 };
  const long width = upright[2], height = upright[3], across = (turn->across_y * stored[2] + turn->across_x) * channels;
  for (long top = 0; top < height; top += SQUARE)
    for (long left = 0; left < width; left += SQUARE)
      for (long y = top; y < height && y < top + SQUARE; y++) {
        const long up_x = upright[0] + left, up_y = upright[1] + y;
        const long x = turn->x0 + up_x * turn->across_x + up_y * turn->down_x - stored[0];
        const long row = turn->y0 + up_x * turn->across_y + up_y * turn->down_y - stored[1];
        const uint8_t *pixel = from + (row * stored[2] + x) * channels;
        uint8_t *place = to + (y * width + left) * channels;
        for (long i = left; i < width && i < left + SQUARE; i++, pixel += across, place += channels) memcpy(place, pixel, channels);
      }
}
