#pragma once
#include <stdint.h>

/// How an array's elements are stored. Arithmetic is in float32 whatever the type.
typedef enum { KERNEL_FLOAT32, KERNEL_BFLOAT16 } kernel_type;

/// float32 from bfloat16, exactly.
void kernel_widen(const uint16_t *x, float *y, int64_t n);
/// bfloat16 from float32, to the nearest, ties to even. NaNs stay NaNs; numbers below the normal range are kept.
void kernel_narrow(const float *x, uint16_t *y, int64_t n);
