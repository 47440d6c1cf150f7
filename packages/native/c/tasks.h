// Work in parts, and memory for it. Not compiled per instruction set.
#pragma once
#include <stddef.h>

// How a kernel's parts are run: by ONNX Runtime's threads, or in turn where `run` is null. What a part computes may not depend on who runs it.
typedef struct {
  void *context;
  void (*run)(void *context, void (*task)(void *user, size_t index), size_t count, void *user);
} Tasks;

// Calls task(user, 0 .. count - 1), with denormals read and written as zero.
void run_tasks(const Tasks *tasks, void (*task)(void *user, size_t index), size_t count, void *user);

// Memory of this thread for use `slot`, of at least so many bytes, aligned to 64; kept, and freed when the thread ends. Content is undefined.
void *scratch(int slot, size_t bytes);

// Who uses which slot: those of a caller and of what it calls must differ.
enum { SLOT_LEFT, SLOT_RIGHT, SLOT_TILES, SLOT_SUMS, SLOT_SCORES, SLOT_SCORE_GRADIENTS, SLOT_SHARES, SLOTS };
