// What members of a view do with each other's messages: checksums, and sums of partials, in one pass over memory. Exact IEEE arithmetic
// with denormals; the bits of packages/kernels.
#include "optimizer.c"

enum { RUN_FLOATS = 2048 }; // what stays in the first-level cache from one loop to the next; a multiple of every width and of 8

typedef uint64_t Longs __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t HalfWords __attribute__((vector_size(2 * WIDTH)));

// state: the sum of the words so far, and the sum of these sums.
static void checksum(const void *src, long n, uint64_t state[2]) {
  const char *p = src;
  Longs sums[2] = {{0}}, totals[2] = {{0}};
  const long groups = n / WIDTH;
  for (long k = 0; k < groups; k++, p += 4 * WIDTH)
    for (int j = 0; j < 2; j++) {
      HalfWords words;
      memcpy(&words, p + j * (2 * WIDTH), sizeof words);
      sums[j] += __builtin_convertvector(words, Longs);
      totals[j] += sums[j];
    }
  uint64_t sum = 0, total = 0;
  for (int j = 0; j < 2; j++)
    for (int lane = 0; lane < WIDTH / 2; lane++) {
      sum += sums[j][lane];
      total += WIDTH * totals[j][lane] - (uint64_t)(j * (WIDTH / 2) + lane) * sums[j][lane];
    }
  total += state[1] + (uint64_t)(groups * WIDTH) * state[0];
  sum += state[0];
  for (long i = groups * WIDTH; i < n; i++, p += 4) {
    uint32_t word;
    memcpy(&word, p, sizeof word);
    sum += word;
    total += sum;
  }
  state[0] = sum;
  state[1] = total;
}

static void copy_checked(void *to, const void *from, long words, uint64_t state[2]) {
  for (long i = 0; i < words; i += RUN_FLOATS) {
    const long n = least(RUN_FLOATS, words - i);
    checksum((const char *)from + 4 * i, n, state);
    memcpy((char *)to + 4 * i, (const char *)from + 4 * i, 4 * (size_t)n);
  }
}

static void pack(bfloat16 *to, const float *from, long n) {
  for (long i = 0; i < n; i += WIDTH) store_bfloat16(to + i, load_part(from + i, n - i), n - i);
}

static void unpack(float *to, const bfloat16 *from, long n) {
  for (long i = 0; i < n; i += WIDTH) store_part(to + i, load_bfloat16(from + i, n - i), n - i);
}

static void unpack_checked(float *to, const void *from, long floats, uint64_t state[2]) {
  for (long i = 0; i < floats; i += RUN_FLOATS) {
    const long n = least(RUN_FLOATS, floats - i);
    const bfloat16 *run = (const bfloat16 *)from + i;
    checksum(run, (n + 1) / 2, state);
    unpack(to + i, run, n);
  }
}

// Elements first .. first + n - 1 of the sum, to `out`.
static void sum_run(const Summation *s, long first, long n) {
  float *out = s->out + first;
  const float *only = s->terms[s->result] + first;
  if (s->additions == 0 && only != out) memcpy(out, only, sizeof(float) * (size_t)n);
  for (long k = 0; k < s->additions; k++) {
    const int32_t *a = s->program[k];
    add(k == s->additions - 1 ? out : s->terms[a[0]] + first, s->terms[a[1]] + first, s->terms[a[2]] + first, n);
  }
}

static void sum_terms(const Summation *s) {
  double lanes[8];
  uint64_t gathered[2] = {0}, late[2] = {0};
  for (long i = 0, n; i < s->count; i += n) {
    const long at = i % s->block;
    n = least(least(RUN_FLOATS, s->block - at), s->count - i);
    if (s->late >= 0) checksum(s->terms[s->late] + i, n, late);
    sum_run(s, i, n);
    if (s->packed) {
      pack(s->packed + i, s->out + i, n);
      unpack(s->out + i, s->packed + i, n);
    }
    if (at == 0) memset(lanes, 0, sizeof lanes);
    sum_squares(s->out + i, n, lanes);
    if (at + n == s->block || i + n == s->count)
      s->squares[i / s->block] = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    if (s->packed) checksum(s->packed + i, (n + 1) / 2, gathered);
    else checksum(s->out + i, n, gathered);
  }
  s->checksums[0] = gathered[1];
  s->checksums[1] = late[1];
}
