#define _GNU_SOURCE
#include "tasks.h"
#include "crash.h"
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
  void *memory[SLOTS];
  size_t bytes[SLOTS];
} Scratch;

static __thread Scratch *mine;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void release(void *value) {
  Scratch *scratch = value;
  for (int i = 0; i < SLOTS; i++) free(scratch->memory[i]);
  free(scratch);
}

static void make_key(void) { pthread_key_create(&key, release); }

static void *checked(void *memory, size_t bytes) {
  if (memory == NULL) {
    fprintf(stderr, "maestro native: out of memory (%zu bytes)\n", bytes);
    abort();
  }
  return memory;
}

void *scratch(int slot, size_t bytes) {
  if (mine == NULL) {
    pthread_once(&once, make_key);
    mine = checked(calloc(1, sizeof *mine), sizeof *mine);
    pthread_setspecific(key, mine);
  }
  if (mine->bytes[slot] < bytes || mine->memory[slot] == NULL) {
    free(mine->memory[slot]);
    mine->bytes[slot] = (bytes + bytes / 4 + 4096) / 4096 * 4096;
    mine->memory[slot] = checked(aligned_alloc(4096, mine->bytes[slot]), mine->bytes[slot]);
  }
  return mine->memory[slot];
}

// Round to nearest, no traps, denormals are zero on the way in and out, as they are in AMX's tiles.
#if defined(__x86_64__)
#include <immintrin.h>
typedef unsigned Mode;
static Mode enter(void) {
  const Mode mode = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x8040);
  return mode;
}
static void leave(Mode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
typedef uint64_t Mode;
static Mode enter(void) {
  Mode mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  __asm__ volatile("msr fpcr, %0" : : "r"((Mode)1 << 24));
  return mode;
}
static void leave(Mode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#endif

typedef struct {
  void (*task)(void *user, size_t index);
  void *user;
  const void *running;
} Job;

static void run_one(void *user, size_t index) {
  const Job *job = user;
  const void *outer = running;
  running = job->running;
  const Mode mode = enter();
  job->task(job->user, index);
  leave(mode);
  running = outer;
}

void run_tasks(const Tasks *tasks, void (*task)(void *user, size_t index), size_t count, void *user) {
  Job job = {task, user, running};
  if (tasks != NULL && tasks->run != NULL && count > 1) tasks->run(tasks->context, run_one, count, &job);
  else for (size_t i = 0; i < count; i++) run_one(&job, i);
}
