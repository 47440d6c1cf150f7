// All kernels of one instruction set: compiled once for each, with its flags and a name for the table.
#include "exchange.c"

const Kernels NATIVE_TABLE = {
  .name = NATIVE_NAME,
  .linear = linear,
  .linear_grad = linear_grad,
  .norm = norm,
  .norm_grad = norm_grad,
  .attend = attend,
  .attend_grad = attend_grad,
  .add = add,
  .sum_squares = sum_squares,
  .adamw = adamw,
  .sgd = sgd,
  .checksum = checksum,
  .copy_checked = copy_checked,
  .unpack_checked = unpack_checked,
  .sum_terms = sum_terms,
};
