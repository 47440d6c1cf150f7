// Decodes JPEG files with bytes changed at random, and boxes of them, under the sanitizers: `images FILE ROUNDS`. Prints how many decoded.
#include "../images/images.c"
#include <stdio.h>
#include <stdlib.h>

static uint64_t state = 88172645463325252ull;

static uint64_t draw(uint64_t below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return below ? state % below : 0;
}

int main(int count, char **arguments) {
  FILE *file = count == 3 ? fopen(arguments[1], "rb") : NULL;
  if (file == NULL) return 2;
  static uint8_t original[1 << 20];
  const long length = (long)fread(original, 1, sizeof original, file);
  long decoded = 0;
  for (long round = 0; round < atol(arguments[2]); round++) {
    // Exactly as long as the file, so that a read beyond it is seen.
    const long kept = draw(4) ? length : (long)draw(length + 1);
    uint8_t *bytes = malloc(kept ? kept : 1);
    memcpy(bytes, original, kept);
    for (uint64_t changes = draw(4); changes > 0 && kept > 0; changes--)
      bytes[draw(2) ? draw(kept) : draw(kept < 700 ? kept : 700)] = (uint8_t)draw(256);
    int32_t size[4];
    if (maestro_jpeg_size(bytes, kept, size) && (long)size[0] * size[1] < 1 << 22) {
      int32_t box[4] = {0, 0, 1 + (int32_t)draw(size[0]), 1 + (int32_t)draw(size[1])};
      box[0] = (int32_t)draw(size[0] - box[2] + 1);
      box[1] = (int32_t)draw(size[1] - box[3] + 1);
      const long taken = size[3] == 1 ? 0 : (long)box[2] * box[3] * size[2];
      const long room = maestro_jpeg_scratch(kept, box[2] > box[3] ? box[2] : box[3]) + taken;
      uint8_t *scratch = malloc(room), *to = malloc((long)box[2] * box[3] * size[2]);
      decoded += maestro_jpeg_decode(bytes, kept, box, to, NULL, 0, 0, scratch, room);
      free(scratch);
      free(to);
    }
    free(bytes);
  }
  printf("%ld\n", decoded);
  return 0;
}
