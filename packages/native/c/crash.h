// Names the operator in which a process crashes.
#pragma once
#include "operator.h"

// What this thread computes; null outside of operators. Threads that take parts of an operator have it too: see tasks.c.
extern __thread const void *running;

// Writes operator, shapes and instruction set to standard error when an operator crashes; the signal's default action follows.
void maestro_watch_crashes(void);
