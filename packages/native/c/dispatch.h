// Which instruction set is used.
#pragma once
#include "kernels.h"

// The best that this machine has, or what MAESTRO_NATIVE_ISA or maestro_use_isa say; null where there is none.
const Kernels *kernels(void);
