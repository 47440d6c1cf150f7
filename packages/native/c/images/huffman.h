// Huffman codes of a baseline JPEG scan, and its bits.
#pragma once
#include "images.h"
#include <string.h>

#define FAST_BITS 11
#define SLOW 0u
#define HAS_EXTRA 32u
#define END_OF_BLOCK 128

// An entry for the next FAST_BITS bits: bits 0 to 4 are the length of the code and, unless HAS_EXTRA is set, of the value's own bits; bits
// 8 to 15 are how far the position in the block moves (END_OF_BLOCK: to its end); the upper half is the value, or the number of its bits.
typedef struct {
  uint32_t fast[1 << FAST_BITS];
  // Of each length: the first code after its last, aligned to 16 bits, and what leads from a code to its symbol.
  uint32_t limit[18];
  int32_t offset[17];
  const uint8_t *symbols;
} Codes;

// The value that `bits`, `size` of them, stand for.
INLINE int extend(uint32_t bits, int size) { return (int)bits - (bits >> (size - 1) ? 0 : (1 << size) - 1); }

INLINE uint32_t entry_of(int symbol, int is_dc) {
  if (is_dc) return symbol > 11 ? SLOW : (uint32_t)symbol << 16;
  const int run = symbol >> 4, size = symbol & 15;
  if (symbol == 0) return END_OF_BLOCK << 8;
  if (symbol == 0xf0) return 16 << 8;
  return size == 0 || size > 10 ? SLOW : (uint32_t)size << 16 | (uint32_t)(run + 1) << 8;
}

// Returns 0 for codes that are no prefix code, or for symbols of no baseline file.
static int build_codes(Codes *codes, const uint8_t *counts, int is_dc) {
  codes->symbols = counts + 16;
  memset(codes->fast, 0, sizeof codes->fast);
  uint32_t code = 0;
  int symbol = 0;
  for (int length = 1; length <= 16; length++) {
    codes->offset[length] = symbol - (int)code;
    for (int i = 0; i < counts[length - 1]; i++, code++, symbol++) {
      const int value = codes->symbols[symbol];
      const uint32_t entry = entry_of(value, is_dc);
      if (entry == SLOW && !(is_dc && value == 0)) return 0;
      if (code >> length) return 0;
      if (length > FAST_BITS) continue;
      const int size = (int)(entry >> 16), spare = FAST_BITS - length;
      uint32_t *fast = codes->fast + (code << spare);
      for (uint32_t rest = 0; rest < 1u << spare; rest++) {
        if (size == 0) fast[rest] = entry | (uint32_t)length;
        else if (size > spare) fast[rest] = entry | HAS_EXTRA | (uint32_t)length;
        else
          fast[rest] = (entry & 0xff00) | (uint32_t)extend(rest >> (spare - size), size) << 16 | (uint32_t)(length + size);
      }
    }
    if (code > 1u << length) return 0;
    codes->limit[length] = code << (16 - length);
    code <<= 1;
  }
  codes->limit[17] = 1u << 16;
  return 1;
}

// The next bits, from the highest down; at least 56 after `refill`. What lies beyond `end` counts for nothing.
typedef struct {
  uint64_t bits;
  int count;
  const uint8_t *next, *start, *end;
} Bits;

INLINE void refill(Bits *bits) {
  uint64_t word;
  memcpy(&word, bits->next, 8);
  bits->bits |= __builtin_bswap64(word) >> bits->count;
  bits->next += (63 - bits->count) >> 3;
  bits->count |= 56;
}

INLINE void drop(Bits *bits, int count) {
  bits->bits <<= count;
  bits->count -= count;
}

INLINE long bits_used(const Bits *bits) { return 8 * (bits->next - bits->start) - bits->count; }

// A code longer than FAST_BITS: its entry, with HAS_EXTRA; SLOW where there is none.
static __attribute__((noinline)) uint32_t find_code(const Codes *codes, uint64_t bits, int is_dc) {
  const uint32_t next = (uint32_t)(bits >> 48);
  int length = FAST_BITS + 1;
  while (length <= 16 && next >= codes->limit[length]) length++;
  if (length > 16) return SLOW;
  const uint32_t entry = entry_of(codes->symbols[codes->offset[length] + (int)(next >> (16 - length))], is_dc);
  return entry | (entry >> 16 ? HAS_EXTRA : 0) | (uint32_t)length;
}

// Reads one entry with its value; 0 where there is no such code. The bits must suffice: 27.
INLINE uint32_t read_entry(Bits *bits, const Codes *codes, int is_dc) {
  uint32_t entry = codes->fast[bits->bits >> (64 - FAST_BITS)];
  if (__builtin_expect(entry == SLOW, 0)) {
    entry = find_code(codes, bits->bits, is_dc);
    if (entry == SLOW) return 0;
  }
  drop(bits, entry & 31);
  if (entry & HAS_EXTRA) {
    const int size = (int)(entry >> 16);
    const int value = extend((uint32_t)(bits->bits >> (64 - size)), size);
    drop(bits, size);
    entry = (entry & 0xffff) | (uint32_t)value << 16;
  }
  return entry;
}
