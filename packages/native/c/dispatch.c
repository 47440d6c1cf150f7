// Chooses the instruction set, and exports what is called without ONNX Runtime.
#define _GNU_SOURCE
#include "crash.h"
#include "dispatch.h"
#include "operator.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

extern const Kernels KERNELS_AVX2, KERNELS_AVX512, KERNELS_AMX;

// Best last.
static const Kernels *const ALL[] = {&KERNELS_AVX2, &KERNELS_AVX512, &KERNELS_AMX};

// XCR0: what of the registers the operating system saves.
static unsigned long long saved_state(void) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (unsigned long long)high << 32 | low;
}

// Linux lets a process use tiles when it asks: ARCH_REQ_XCOMP_PERM for XTILEDATA.
static int may_use_tiles(void) { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

// How many of ALL this machine has.
static int supported(void) {
  unsigned a, b, c, d, leaf1_c, leaf7_b, leaf7_d;
  if (!__get_cpuid(1, &a, &b, &leaf1_c, &d) || !(leaf1_c & bit_OSXSAVE) || !(leaf1_c & bit_FMA)) return 0;
  const unsigned long long state = saved_state();
  if (!__get_cpuid_count(7, 0, &a, &leaf7_b, &c, &leaf7_d)) return 0;
  const int avx2 = (state & 0x6) == 0x6 && (leaf7_b & bit_AVX2);
  const unsigned wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
  const int avx512 = avx2 && (state & 0xe0) == 0xe0 && (leaf7_b & wanted) == wanted;
  const unsigned tiles = 1u << 22 | 1u << 24; // AMX-BF16, AMX-TILE
  const int amx = avx512 && (state & 0x60000) == 0x60000 && (leaf7_d & tiles) == tiles && may_use_tiles();
  return avx2 + avx512 + amx;
}
#else
extern const Kernels KERNELS_NEON;
static const Kernels *const ALL[] = {&KERNELS_NEON};
static int supported(void) { return 1; }
#endif

static int count;
static const Kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const Kernels *find(const char *name) {
  for (int i = 0; i < count; i++)
    if (strcmp(ALL[i]->name, name) == 0) return ALL[i];
  return NULL;
}

static void choose(void) {
  count = supported();
  if (count > 0) chosen = ALL[count - 1];
  const char *wanted = getenv("MAESTRO_NATIVE_ISA");
  if (wanted && *wanted) chosen = find(wanted);
}

const Kernels *kernels(void) {
  pthread_once(&once, choose);
  return chosen;
}

// The name of the instruction set in use; null where this machine has none, or not the one that MAESTRO_NATIVE_ISA names.
EXPORT const char *maestro_isa(void) { return kernels() ? kernels()->name : NULL; }

// The names of those that this machine has, best last: the i-th, null after the last.
EXPORT const char *maestro_isa_at(int i) { return kernels(), i >= 0 && i < count ? ALL[i]->name : NULL; }

// From now on; for tests. 0 where this machine does not have it.
EXPORT int maestro_use_isa(const char *name) {
  kernels();
  const Kernels *found = find(name);
  if (found) chosen = found;
  return found != NULL;
}

// The exchange between members; see exchange.c. Checksums are of 32-bit words, as in packages/kernels.

EXPORT void maestro_checksum(const void *src, int64_t words, uint64_t state[2]) { kernels()->checksum(src, words, state); }

EXPORT void maestro_copy_checked(void *to, const void *from, int64_t words, uint64_t state[2]) {
  kernels()->copy_checked(to, from, words, state);
}

EXPORT void maestro_unpack_checked(float *to, const void *from, int64_t floats, uint64_t state[2]) {
  kernels()->unpack_checked(to, from, floats, state);
}

EXPORT void maestro_sum_terms(const void *summation) { kernels()->sum_terms(summation); }

// ---- an operator by itself, on this thread: for the self-check and tests

enum { TENSOR_WORDS = 1 + MAX_AXES }; // axes, dims

static const Operator *operator_named(const char *name) {
  for (int i = 0; i < OPERATOR_COUNT; i++)
    if (strcmp(OPERATORS[i].name, name) == 0) return &OPERATORS[i];
  return NULL;
}

static void read_tensors(const char *types, void *const *data, const int64_t *words, Tensor *tensors) {
  for (int i = 0; types[i]; i++, words += TENSOR_WORDS) {
    tensors[i].type = types[i];
    tensors[i].data = data[i];
    tensors[i].axes = (int)words[0];
    for (int k = 0; k < tensors[i].axes; k++) tensors[i].dims[k] = (long)words[1 + k];
  }
}

// Inputs are addresses and, for each, axes and 6 dims. With `out` null the shapes of the outputs are written to `out_dims`; else they are
// computed. Attributes: tokens, heads, from. Gives what is wrong, or null.
EXPORT const char *maestro_run(const char *name, const int64_t *attributes, float epsilon, void *const *in, const int64_t *in_dims, void *const *out,
                               int64_t *out_dims) {
  const Operator *operator = operator_named(name);
  if (operator == NULL || kernels() == NULL) return "no such operator, or no instruction set for it";
  Call call = {.operator = operator, .kernels = kernels(), .tokens = (long)attributes[0], .heads = (long)attributes[1], .from = (long)attributes[2]};
  call.epsilon = epsilon;
  call.inputs = (int)strlen(operator->in);
  call.outputs = (int)strlen(operator->out);
  read_tensors(operator->in, in, in_dims, call.in);
  const char *wrong = operator->shapes(&call);
  if (wrong != NULL) return wrong;
  for (int i = 0; i < call.outputs; i++, out_dims += TENSOR_WORDS) {
    call.out[i].type = operator->out[i];
    out_dims[0] = call.out[i].axes;
    for (int k = 0; k < call.out[i].axes; k++) out_dims[1 + k] = call.out[i].dims[k];
    if (out != NULL) call.out[i].data = out[i];
  }
  if (out != NULL) {
    running = &call;
    operator->compute(&call);
    running = NULL;
  }
  return NULL;
}
