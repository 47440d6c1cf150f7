// Matrix products: y[i, j] = sum over k of left(i, k) * right(j, k), by packed panels and tiles.
//
// Each product has one order of sums, whatever the tiles: float32 is one chain of multiply-adds over k from 0; bfloat16 is what AMX's
// TDPBF16PS does, per 32 of k a chain over its even and one over its odd members, each from 0, added to each other and then to the sum.
#pragma once
#include "kernels.h"
#include "simd.h"

// Element (i, k) lies at i * i_step + k * k_step; one of the steps is 1.
typedef struct {
  const void *data;
  long i_step, k_step;
  int is_bfloat16;
} View;

// Where a product goes: `y` with rows `stride` apart, finished as kernels.h says. The arrays of `finish` have the same stride.
typedef struct {
  void *y;
  long stride;
  int is_bfloat16;
  Finish finish;
} Target;

// Left panels of float32, packed or where they are: element (i, k) of panel n lies at n * next + i * i_step + k * k_step.
typedef struct {
  const float *data;
  long i_step, k_step, next;
} Panels;

// Part of the result: where it begins, and where it ends in both directions.
typedef struct {
  long row, end_row, column, end_column;
} Place;

// A way to multiply. Panels are `rows` (left) or `columns` (right) wide; a panel holds `depth` times so many elements for k of `k_multiple`.
typedef struct {
  int rows, columns;
  int k_multiple, copies, element_bytes;
  // Packs i0 .. i0 + count - 1 of a view, k0 .. k1 - 1, to panels of `wide` that begin `panel_bytes` apart. What is missing is zero.
  void (*pack)(View v, long i0, long count, long k0, long k1, int wide, int is_right, char *out, size_t panel_bytes);
  // tile [rows, columns] = (or, with `is_later`, +=) the product of two panels of that depth.
  void (*multiply)(const char *left, const char *right, long depth, float *tile, int is_later);
  // Instead of `multiply`, where left panels of float32 may be read in place: the tiles of a column of the result, `tile_step` floats apart.
  // With a target the tiles are finished and stored there.
  void (*multiply_column)(const Panels *, const char *right, long depth, float *tiles, long tile_step, int is_later, const Target *, Place);
  // What a thread does before and after.
  void (*begin)(void);
  void (*end)(void);
} Product;

// Sizes of blocks: they change the speed, never the sums.
enum { BLOCK_K = 256, BLOCK_ROWS = 96, BLOCK_PANELS = 8 };
