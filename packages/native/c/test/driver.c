// Runs operators on inputs from standard input and writes their outputs to standard output: for sanitizers, and for processors that are
// emulated. Each array is an allocation of its exact size, so that a sanitizer sees any access beyond it.
//
// A request is: name (32 bytes), attributes (3 int64), then for each input its axes and 6 dims (7 int64); then the inputs' data.
#include "../operator.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *maestro_run(const char *, const int64_t *, float, void *const *, const int64_t *, void *const *, int64_t *);

static void *checked(void *memory) {
  if (memory == NULL) abort();
  return memory;
}

static size_t bytes_of(const int64_t *words, char type) {
  size_t bytes = type == 'b' ? 2 : 4;
  for (int k = 0; k < words[0]; k++) bytes *= (size_t)words[1 + k];
  return bytes;
}

static const Operator *named(const char *name) {
  for (int i = 0; i < OPERATOR_COUNT; i++)
    if (strcmp(OPERATORS[i].name, name) == 0) return &OPERATORS[i];
  return NULL;
}

int main(void) {
  char name[32];
  while (fread(name, 1, sizeof name, stdin) == sizeof name) {
    int64_t attributes[3], in_dims[MAX_PORTS * 7] = {0}, out_dims[MAX_PORTS * 7] = {0};
    void *in[MAX_PORTS], *out[MAX_PORTS];
    const Operator *operator = named(name);
    if (operator == NULL) return 2;
    const size_t inputs = strlen(operator->in), outputs = strlen(operator->out);
    if (fread(attributes, 8, 3, stdin) != 3 || fread(in_dims, 8, inputs * 7, stdin) != inputs * 7) return 3;
    for (size_t i = 0; i < inputs; i++) {
      const size_t bytes = bytes_of(in_dims + 7 * i, operator->in[i]);
      in[i] = checked(malloc(bytes));
      if (fread(in[i], 1, bytes, stdin) != bytes) return 4;
    }
    const char *wrong = maestro_run(name, attributes, 1e-6f, in, in_dims, NULL, out_dims);
    if (wrong != NULL) return fprintf(stderr, "%s: %s\n", name, wrong), 5;
    for (size_t i = 0; i < outputs; i++) out[i] = checked(malloc(bytes_of(out_dims + 7 * i, operator->out[i])));
    maestro_run(name, attributes, 1e-6f, in, in_dims, out, out_dims);
    for (size_t i = 0; i < outputs; i++) fwrite(out[i], 1, bytes_of(out_dims + 7 * i, operator->out[i]), stdout);
    for (size_t i = 0; i < inputs; i++) free(in[i]);
    for (size_t i = 0; i < outputs; i++) free(out[i]);
  }
  return 0;
}
