// Decodes a box of a baseline JPEG file to the pixels of libjpeg-turbo. What lies above the box is parsed, what lies below is not read.
// Whatever is out of the ordinary ends it: another decoder then says what the file comes to.
#include "colour.h"
#include "huffman.h"
#include "idct.h"
#include <stddef.h>

// Beyond the data: what one MCU may read, and a margin.
#define DATA_SLACK 4096
// A decoder that reads ahead may find a fault or the end of a file this many bytes after what is needed.
#define MARGIN 4096
// Larger coefficients than a picture can have.
#define LARGEST 8191

static const uint8_t NATURAL[64] = {
  0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

// A component: its tables, and the window of its samples that the box needs, as a ring of the rows of two MCUs.
typedef struct {
  Codes *dc, *ac;
  const uint8_t *quant;
  int h, v, previous;
  long rows, columns;                               // samples of the whole component
  long first_row, last_row, first_block, last_block; // needed; blocks across
  uint8_t *plane;
  long stride, ring;
} Component;

typedef struct {
  JpegHeader header;
  Component parts[3];
  Codes codes[2][4]; // as in the header: four of each kind
  Bits bits;
  const uint8_t *source; // encoded data that is not read yet
  uint8_t *data;
  int marker; // that ended the current data; 0: the file ended
  uint32_t largest;
  Block blocks[2];
  int waiting;
} Decoder;

// Takes the data up to the next marker, without its stuffing.
static void next_data(Decoder *decoder) {
  const uint8_t *from = decoder->source, *end = decoder->header.end;
  uint8_t *to = decoder->data;
  decoder->marker = 0;
  while (from < end) {
    const uint8_t *stop = memchr(from, 0xff, end - from);
    const long count = (stop ? stop : end) - from;
    memcpy(to, from, count);
    to += count;
    from += count;
    if (stop == NULL || from + 1 >= end) break;
    const int second = from[1];
    from += 2;
    if (second != 0) {
      decoder->marker = second;
      break;
    }
    *to++ = 0xff;
  }
  decoder->source = from;
  memset(to, 0, 16);
  decoder->bits = (Bits){0, 0, decoder->data, decoder->data, to};
}

// Whether all data was used, but for the bits that fill up the last byte.
static int is_data_used(const Decoder *decoder) {
  const long left = 8 * (decoder->bits.end - decoder->bits.start) - bits_used(&decoder->bits);
  return left >= 0 && left < 8;
}

INLINE int read_dc(Decoder *decoder, Component *part) {
  refill(&decoder->bits);
  const uint32_t entry = read_entry(&decoder->bits, part->dc, 1);
  part->previous += (int16_t)(entry >> 16);
  return entry != 0;
}

// Passes over a block.
static int skip_block(Decoder *decoder, Component *part) {
  if (!read_dc(decoder, part)) return 0;
  Bits bits = decoder->bits;
  const Codes *codes = part->ac;
  int k = 0;
  while (k < 63) {
    refill(&bits);
    const uint32_t entry = read_entry(&bits, codes, 0);
    if (entry == 0) return 0;
    k += (int)(entry >> 8 & 0xff);
    if (k >= 63) break;
    const uint32_t second = read_entry(&bits, codes, 0);
    if (second == 0) return 0;
    k += (int)(second >> 8 & 0xff);
  }
  decoder->bits = bits;
  return k == 63 || k >= END_OF_BLOCK;
}

static int read_block(Decoder *decoder, Component *part, Block *block, int *has_ac) {
  if (!read_dc(decoder, part)) return 0;
  Bits bits = decoder->bits;
  const Codes *codes = part->ac;
  const uint8_t *quant = part->quant;
  int16_t *values = block->values;
  memset(values, 0, sizeof block->values);
  const int first = part->previous * quant[0];
  uint32_t largest = (uint32_t)(first ^ first >> 31);
  values[0] = (int16_t)first;
  int k = 0;
  *has_ac = 0;
  while (k < 63) {
    refill(&bits);
    for (int i = 0; i < 2 && k < 63; i++) {
      const uint32_t entry = read_entry(&bits, codes, 0);
      if (entry == 0) return 0;
      k += (int)(entry >> 8 & 0xff);
      if (k > 63) break;
      const int value = (int16_t)(entry >> 16) * quant[k];
      largest |= (uint32_t)(value ^ value >> 31);
      values[NATURAL[k]] = (int16_t)value;
      *has_ac = 1;
    }
  }
  decoder->largest |= largest;
  decoder->bits = bits;
  return k == 63 || k >= END_OF_BLOCK;
}

static void flush_block(Decoder *decoder) {
  if (decoder->waiting) inverse_dct(&decoder->blocks[0], &decoder->blocks[0]);
  decoder->waiting = 0;
}

static int read_mcu(Decoder *decoder, long row, long column) {
  for (int i = 0; i < decoder->header.components; i++) {
    Component *part = &decoder->parts[i];
    for (int y = 0; y < part->v; y++)
      for (int x = 0; x < part->h; x++) {
        const long top = 8 * (row * part->v + y), across = column * part->h + x;
        const int is_needed =
            top <= part->last_row && top + 7 >= part->first_row && across >= part->first_block && across <= part->last_block;
        if (!is_needed) {
          if (!skip_block(decoder, part)) return 0;
          continue;
        }
        Block *block = &decoder->blocks[decoder->waiting];
        int has_ac;
        if (!read_block(decoder, part, block, &has_ac)) return 0;
        block->to = part->plane + (top & (part->ring - 1)) * part->stride + 8 * (across - part->first_block);
        block->stride = part->stride;
        if (!has_ac) fill_block(block);
        else if (decoder->waiting++) {
          inverse_dct(&decoder->blocks[0], &decoder->blocks[1]);
          decoder->waiting = 0;
        }
      }
  }
  return decoder->bits.next <= decoder->bits.end + 8;
}

// Between restart intervals: the marker of the right number, with nothing before it.
static int restart(Decoder *decoder, long number) {
  if (!is_data_used(decoder) || decoder->marker != 0xd0 + (int)(number & 7)) return 0;
  next_data(decoder);
  for (int i = 0; i < 3; i++) decoder->parts[i].previous = 0;
  return 1;
}

// The row `y` of a component in its ring.
INLINE const uint8_t *row_of(const Component *part, long y) { return part->plane + (y & (part->ring - 1)) * part->stride; }

// Where rows of the box go to: as pixels, or made narrower by taps. `scratch` has room for one row of luma and two of chroma.
typedef struct {
  long left, top, width, height;
  const Taps *taps;
  uint8_t *to;
  uint8_t *pixels, *chroma[2];
  uint16_t *sums;
} Box;

static void emit_row(const Decoder *decoder, const Box *box, long y) {
  const JpegHeader *header = &decoder->header;
  const Component *luma = &decoder->parts[0];
  const uint8_t *values = row_of(luma, y) + box->left - 8 * luma->first_block;
  const int channels = header->components;
  uint8_t *to = box->taps ? box->pixels : box->to + (y - box->top) * box->width * channels;
  if (channels == 1) memcpy(to, values, box->width);
  else {
    const uint8_t *chroma[2];
    for (int i = 0; i < 2; i++) {
      const Component *part = &decoder->parts[1 + i];
      if (header->h == 1) {
        chroma[i] = row_of(part, y) + box->left - 8 * part->first_block;
        continue;
      }
      const long near = header->v == 2 ? y >> 1 : y, first = box->left >> 1;
      long far = y & 1 ? near + 1 : near - 1;
      far = far < 0 ? 0 : far >= part->rows ? part->rows - 1 : far;
      const long count = ((box->left + box->width - 1) >> 1) + 1 - first;
      const uint8_t *other = header->v == 2 ? row_of(part, far) : NULL;
      upsample(box->chroma[i], box->sums, row_of(part, near), other, 8 * part->first_block, first, count, part->columns);
      chroma[i] = box->chroma[i] + (box->left & 1);
    }
    to_rgb(to, values, chroma[0], chroma[1], box->width);
  }
  if (box->taps) weigh_row(box->to + (y - box->top) * box->taps->size * channels, box->pixels, channels, box->taps);
}

INLINE long divide_up(long a, long b) { return (a + b - 1) / b; }
INLINE long smaller(long a, long b) { return a < b ? a : b; }
INLINE long larger(long a, long b) { return a > b ? a : b; }

// What the box needs of each component, and memory for it. Returns the memory's end.
static uint8_t *plan(Decoder *decoder, Box *box, uint8_t *memory) {
  const JpegHeader *header = &decoder->header;
  for (int i = 0; i < header->components; i++) {
    Component *part = &decoder->parts[i];
    part->h = i == 0 ? header->h : 1;
    part->v = i == 0 ? header->v : 1;
    const int across = header->h / part->h, down = header->v / part->v;
    part->columns = divide_up(header->width, across);
    part->rows = divide_up(header->height, down);
    // Upsampling reads the neighbours.
    part->first_row = larger(0, box->top / down - (down - 1));
    part->last_row = smaller(part->rows - 1, (box->top + box->height - 1) / down + (down - 1));
    part->first_block = larger(0, box->left / across - (across - 1)) / 8;
    part->last_block = smaller(part->columns - 1, (box->left + box->width - 1) / across + (across - 1)) / 8;
    part->stride = 8 * (part->last_block - part->first_block + 1);
    part->ring = 16 * part->v;
    part->plane = memory;
    memory += part->ring * part->stride + ROW_SLACK;
    part->quant = header->quant[i];
  }
  box->pixels = memory;
  memory += 3 * box->width + 3 * ROW_SLACK;
  for (int i = 0; i < 2; i++, memory += box->width + 2 * ROW_SLACK) box->chroma[i] = memory;
  memory += -(uintptr_t)memory & 15;
  box->sums = (uint16_t *)memory;
  memory += 2 * (box->width / 2 + 8) + ROW_SLACK;
  return memory;
}

static int open_codes(Decoder *decoder) {
  const JpegHeader *header = &decoder->header;
  for (int i = 0; i < header->components; i++) {
    Component *part = &decoder->parts[i];
    part->dc = &decoder->codes[0][i];
    part->ac = &decoder->codes[1][i];
    for (int j = 0; j < i; j++) {
      if (header->dc[j] == header->dc[i]) part->dc = decoder->parts[j].dc;
      if (header->ac[j] == header->ac[i]) part->ac = decoder->parts[j].ac;
    }
    if (part->dc == &decoder->codes[0][i] && !build_codes(part->dc, header->dc[i], 1)) return 0;
    if (part->ac == &decoder->codes[1][i] && !build_codes(part->ac, header->ac[i], 0)) return 0;
  }
  return 1;
}

long jpeg_scratch_bytes(long length, long width) {
  // The decoder, the data, rings of 2 MCUs of three components, rows.
  return (long)sizeof(Decoder) + length + DATA_SLACK + 48 * (width + 32) + 8 * width + 1024;
}

// `is_whole`: a fault anywhere in the file counts.
int decode_jpeg(
    const uint8_t *bytes, long length, const int32_t *wanted, const Taps *taps, int is_whole, uint8_t *to, uint8_t *scratch, long room) {
  scratch += -(uintptr_t)scratch & 31;
  Decoder *decoder = (Decoder *)scratch;
  const JpegHeader *header = &decoder->header;
  Box box = {wanted[0], wanted[1], wanted[2], wanted[3], taps, to, NULL, {NULL, NULL}, NULL};
  if (room < jpeg_scratch_bytes(length, box.width) || !read_jpeg_header(bytes, length, &decoder->header)) return 0;
  if (box.left < 0 || box.top < 0 || box.width < 1 || box.height < 1) return 0;
  if (box.left + box.width > header->width || box.top + box.height > header->height) return 0;
  memset(decoder->parts, 0, sizeof decoder->parts);
  if (!open_codes(decoder)) return 0;
  decoder->data = plan(decoder, &box, scratch + sizeof(Decoder));
  decoder->source = header->scan;
  decoder->largest = 0;
  decoder->waiting = 0;
  next_data(decoder);

  const long mcu_height = 8 * header->v, mcus_across = divide_up(header->width, 8 * header->h);
  const long mcus_down = divide_up(header->height, mcu_height);
  // libvips reads strips of eight rows, and libjpeg one row of MCUs ahead.
  const long below = ((box.top + box.height + 7) / 8 * 8 - 1) / mcu_height + 1, last = is_whole ? mcus_down - 1 : smaller(mcus_down - 1, below);
  long until_restart = header->restart, restarts = 0, next_row = box.top;
  for (long row = 0; row <= last; row++) {
    for (long column = 0; column < mcus_across; column++) {
      if (header->restart && until_restart-- == 0) {
        if (!restart(decoder, restarts++)) return 0;
        until_restart = header->restart - 1;
      }
      if (!read_mcu(decoder, row, column)) return 0;
    }
    flush_block(decoder);
    if (decoder->largest > LARGEST) return 0;
    const int is_end = row == mcus_down - 1;
    const long ready = is_end ? header->height : mcu_height * (row + 1) - (header->v - 1);
    for (; next_row < smaller(ready, box.top + box.height); next_row++) emit_row(decoder, &box, next_row);
  }
  if (last == mcus_down - 1) return is_data_used(decoder) && decoder->marker == 0xd9;
  const long left = 8 * (decoder->bits.end - decoder->bits.start) - bits_used(&decoder->bits);
  const int has_end = decoder->marker == 0xd9 || (bytes[length - 2] == 0xff && bytes[length - 1] == 0xd9);
  return left >= 0 && (has_end || left / 8 >= MARGIN);
}
