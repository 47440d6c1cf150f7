// driver.c without an operating system: what it and the operators need of a C library. Standard input is linked into the program, standard
// output goes to port 0xE9, which Bochs writes to its own. For each instruction set that the processor has comes a line `== NAME`, then each
// output as its number of bytes (int64) and the bytes; at the end comes the line `== end`.
#include "../../crash.h"
#include "../../dispatch.h"
#include "../../operator.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char _binary_requests_start[], _binary_requests_end[];
extern const Kernels KERNELS_AVX2, KERNELS_AVX512, KERNELS_AMX;
int maestro_use_isa(const char *);
int driver_main(void);

// Of crash.c, which needs signals.
__thread const void *running;

FILE *stdin, *stdout, *stderr;
static const char *next_input;
// Memory is taken from here upwards, and never given back.
static size_t heap = 0x8000000;
static const size_t HEAP_END = 0x3f000000;

static void out(char byte) { __asm__ volatile("outb %0, %1" ::"a"(byte), "Nd"((unsigned short)0xe9)); }

static void print(const char *text) {
  while (*text) out(*text++);
}

void abort(void) {
  print("aborted\n");
  for (;;) __asm__ volatile("cli; hlt");
}

void *memcpy(void *to, const void *from, size_t bytes) {
  void *start = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
  return start;
}

void *memset(void *to, int byte, size_t bytes) {
  void *start = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(byte) : "memory");
  return start;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}

int strcmp(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *(const unsigned char *)a - *(const unsigned char *)b;
}

void *aligned_alloc(size_t alignment, size_t bytes) {
  heap = (heap + alignment - 1) / alignment * alignment;
  void *start = (void *)heap;
  heap += bytes;
  if (heap > HEAP_END) abort();
  return memset(start, 0xAA, bytes);
}

void *malloc(size_t bytes) { return aligned_alloc(64, bytes); }
void *calloc(size_t count, size_t bytes) { return memset(malloc(count * bytes), 0, count * bytes); }
void free(void *start) { (void)start; }

size_t fread(void *to, size_t size, size_t count, FILE *file) {
  (void)file;
  if (size * count > (size_t)(_binary_requests_end - next_input)) return 0;
  memcpy(to, next_input, size * count);
  next_input += size * count;
  return count;
}

size_t fwrite(const void *from, size_t size, size_t count, FILE *file) {
  (void)file;
  const size_t bytes = size * count;
  for (size_t i = 0; i < sizeof bytes; i++) out(((const char *)&bytes)[i]);
  for (size_t i = 0; i < bytes; i++) out(((const char *)from)[i]);
  return count;
}

int fprintf(FILE *file, const char *format, ...) {
  (void)file;
  print(format);
  return 0;
}

char *getenv(const char *name) { return (void)name, NULL; }
// Asked for the permission to use tiles.
long syscall(long number, ...) { return (void)number, 0; }

// One thread.
int pthread_once(int *control, void (*routine)(void)) {
  if (!*control) *control = 1, routine();
  return 0;
}
int pthread_key_create(unsigned *key, void (*end)(void *)) { return (void)key, (void)end, 0; }
int pthread_setspecific(unsigned key, const void *value) { return (void)key, (void)value, 0; }

void bare_main(void) {
  const Kernels *const all[] = {&KERNELS_AVX2, &KERNELS_AVX512, &KERNELS_AMX};
  for (int i = 0; i < 3; i++) {
    if (!maestro_use_isa(all[i]->name)) continue;
    print("== "), print(all[i]->name), print("\n");
    next_input = _binary_requests_start;
    if (driver_main() != 0) abort();
  }
  print("== end\n");
  // Ends Bochs.
  for (const char *text = "Shutdown"; *text; text++) __asm__ volatile("outb %0, %1" ::"a"(*text), "d"((unsigned short)0x8900));
}
