// Linear layers and their gradients.
#include "norm.c"
#ifdef NATIVE_AMX
#include "gemm_amx.c"
static const Product *const PRODUCTS[] = {[FLOAT32] = &FLOAT32_PRODUCT, [FLOAT32_X3] = &AMX_X3, [BFLOAT16] = &AMX_BFLOAT16};
#else
static const Product *const PRODUCTS[] = {[FLOAT32] = &FLOAT32_PRODUCT, [FLOAT32_X3] = &X3_PRODUCT, [BFLOAT16] = &BFLOAT16_PRODUCT};
#endif

// (row, column) or (column, row) of a matrix as (i, k) of a product.
INLINE View rows_of(Matrix m) { return (View){m.data, m.columns, 1, m.is_bfloat16}; }
INLINE View columns_of(Matrix m) { return (View){m.data, 1, m.columns, m.is_bfloat16}; }

static void linear(const Tasks *tasks, Precision precision, Matrix x, Matrix w, Matrix y, const Finish *finish) {
  const Target target = {y.data, y.columns, y.is_bfloat16, *finish};
  gemm(tasks, PRODUCTS[precision], rows_of(x), x.rows, rows_of(w), w.rows, x.columns, &target);
}

static void linear_grad(const Tasks *tasks, Precision precision, Matrix dy, Matrix x, Matrix w, Matrix dx, const Finish *finish, float *dw,
                        float *dbias) {
  const Product *by = PRODUCTS[precision];
  if (dx.data) {
    const Target target = {dx.data, dx.columns, dx.is_bfloat16, *finish};
    gemm(tasks, by, rows_of(dy), dy.rows, columns_of(w), w.columns, w.rows, &target);
  }
  const Target target = {dw, x.columns, 0, {0}};
  gemm(tasks, by, columns_of(dy), dy.columns, columns_of(x), x.columns, x.rows, &target);
  column_sums(tasks, dy, dbias);
}
