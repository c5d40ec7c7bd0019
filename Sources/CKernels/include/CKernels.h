// Loops over contiguous memory. Every function runs on the calling thread, and its result depends on its arguments alone.
#pragma once
#include "attention.h"
#include "averages.h"
#include "bfloat16.h"
#include "elementwise.h"
#include "head_attention.h"
#include "linear.h"
#include "normalization.h"
#include "optimizers.h"
#include "random.h"
#include "reduction.h"
#include "shape.h"
#include "winograd.h"

/// Tells the processor that this is a waiting loop.
static inline void kernel_spin_hint(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}
