// Reads the header of a JPEG file: what the decoder here can read is width, height and tables; all else is left to another decoder.
#include "images.h"
#include <string.h>

static int big16(const uint8_t *p) { return p[0] << 8 | p[1]; }

// The orientation of an EXIF block; 1 where it has none, 0 where it is unclear.
static int read_orientation(const uint8_t *tiff, long length) {
  if (length < 8) return 0;
  const int is_little = tiff[0] == 'I' && tiff[1] == 'I';
  if (!is_little && !(tiff[0] == 'M' && tiff[1] == 'M')) return 0;
#define WORD(at) (is_little ? tiff[at] | tiff[(at) + 1] << 8 : tiff[at] << 8 | tiff[(at) + 1])
  const long high = WORD(is_little ? 6 : 4), low = WORD(is_little ? 4 : 6);
  const long ifd = high << 16 | low;
  if (WORD(2) != 42 || ifd < 8 || ifd + 2 > length) return 0;
  const long entries = WORD(ifd);
  if (ifd + 2 + 12 * entries > length) return 0;
  int orientation = 1, found = 0;
  for (long at = ifd + 2; at < ifd + 2 + 12 * entries; at += 12) {
    if (WORD(at) != 0x112) continue;
    const int count_high = WORD(is_little ? at + 6 : at + 4), count = WORD(is_little ? at + 4 : at + 6);
    if (found++ || WORD(at + 2) != 3 || count_high != 0 || count != 1) return 0;
    orientation = WORD(at + 8);
  }
#undef WORD
  return orientation >= 1 && orientation <= 8 ? orientation : 0;
}

static int has(const uint8_t *data, long length, const char *text) {
  return memmem(data, length, text, strlen(text)) != NULL;
}

// Application data: colour space and orientation. Returns 0 where it says that there is more than one image in the file.
static int read_application(int marker, const uint8_t *data, long length, JpegHeader *header) {
  if (marker == 0xe0 && length >= 14 && memcmp(data, "JFIF", 5) == 0) header->is_jfif = 1;
  if (marker == 0xee && length >= 12 && memcmp(data, "Adobe", 5) == 0) {
    header->is_adobe = 1;
    header->transform = data[11];
  }
  if (marker == 0xe1 && length >= 6 && memcmp(data, "Exif\0", 6) == 0) {
    if (header->has_exif++) return 0;
    header->orientation = read_orientation(data + 6, length - 6);
    return header->orientation != 0;
  }
  // Gain maps and further pictures, for which libvips may choose another loader.
  if (marker == 0xe1 && (has(data, length, "hdrgm") || has(data, length, "hdr-gain-map"))) return 0;
  if (marker == 0xe2 && length >= 4 && (memcmp(data, "MPF", 4) == 0 || memcmp(data, "urn:", 4) == 0)) return 0;
  return 1;
}

static int read_quantisation(const uint8_t *data, long length, JpegHeader *header) {
  for (; length > 0; data += 65, length -= 65) {
    if (length < 65 || data[0] > 3) return 0;
    header->tables[data[0]] = data + 1;
  }
  return 1;
}

static int read_huffman(const uint8_t *data, long length, JpegHeader *header) {
  while (length > 0) {
    if (length < 17 || (data[0] & 0xef) > 3) return 0;
    int symbols = 0;
    for (int i = 1; i <= 16; i++) symbols += data[i];
    if (symbols > 256 || length < 17 + symbols) return 0;
    header->codes[data[0] >> 4][data[0] & 3] = data + 1;
    data += 17 + symbols;
    length -= 17 + symbols;
  }
  return 1;
}

static int read_frame(const uint8_t *data, long length, JpegHeader *header) {
  if (header->components != 0 || length < 6 || data[0] != 8) return 0;
  header->height = big16(data + 1);
  header->width = big16(data + 3);
  const int components = data[5];
  if (header->width < 8 || header->height < 1 || (components != 1 && components != 3) || length != 6 + 3 * components) return 0;
  header->components = components;
  for (int i = 0; i < components; i++) {
    const uint8_t *component = data + 6 + 3 * i;
    header->ids[i] = component[0];
    header->quantisation[i] = component[2];
    const int h = component[1] >> 4, v = component[1] & 15;
    if (component[2] > 3) return 0;
    if (i == 0) {
      header->h = h;
      header->v = v;
    } else if (component[1] != 0x11)
      return 0;
  }
  if (components == 1) return header->h == 1 && header->v == 1;
  // 4:4:4, 4:2:2 or 4:2:0.
  if (!(header->h == 1 && header->v == 1) && !(header->h == 2 && (header->v == 1 || header->v == 2))) return 0;
  return 1;
}

static int is_usual_colour(const JpegHeader *header) {
  if (header->components == 1) return 1;
  if (header->is_adobe) return header->transform == 1;
  return header->is_jfif || (header->ids[0] == 1 && header->ids[1] == 2 && header->ids[2] == 3);
}

static int read_scan(const uint8_t *data, long length, JpegHeader *header) {
  const int components = header->components;
  if (components == 0 || length != 4 + 2 * components || data[0] != components) return 0;
  for (int i = 0; i < components; i++) {
    const int id = data[1 + 2 * i], codes = data[2 + 2 * i];
    if (id != header->ids[i] || codes >> 4 > 3 || (codes & 15) > 3) return 0;
    header->dc[i] = header->codes[0][codes >> 4];
    header->ac[i] = header->codes[1][codes & 15];
    header->quant[i] = header->tables[header->quantisation[i]];
    if (header->dc[i] == NULL || header->ac[i] == NULL || header->quant[i] == NULL) return 0;
  }
  const uint8_t *spectrum = data + 1 + 2 * components;
  return spectrum[0] == 0 && spectrum[1] == 63 && spectrum[2] == 0;
}

int read_jpeg_header(const uint8_t *bytes, long length, JpegHeader *header) {
  memset(header, 0, sizeof *header);
  header->orientation = 1;
  if (length < 4 || bytes[0] != 0xff || bytes[1] != 0xd8) return 0;
  for (long at = 2; at + 4 <= length;) {
    if (bytes[at] != 0xff) return 0;
    const int marker = bytes[at + 1];
    const long size = big16(bytes + at + 2) - 2;
    const uint8_t *data = bytes + at + 4;
    if (size < 0 || at + 4 + size > length) return 0;
    int is_usual = 0;
    if (marker >= 0xe0 && marker <= 0xef) is_usual = read_application(marker, data, size, header);
    else if (marker == 0xfe) is_usual = 1;
    else if (marker == 0xdb) is_usual = read_quantisation(data, size, header);
    else if (marker == 0xc4) is_usual = read_huffman(data, size, header);
    else if (marker == 0xc0 || marker == 0xc1) is_usual = read_frame(data, size, header);
    else if (marker == 0xdd && size == 2) {
      header->restart = big16(data);
      is_usual = 1;
    } else if (marker == 0xda) {
      header->scan = data + size;
      header->end = bytes + length;
      return read_scan(data, size, header) && is_usual_colour(header);
    }
    if (!is_usual) return 0;
    at += 4 + size;
  }
  return 0;
}
