#pragma once
#include <stdint.h>

enum { KERNEL_LINEAR_PANEL = 32 };

/// Whether this machine has the registers that `kernel_linear` is made for, those of AVX-512, without which it must not be called on x86-64.
int kernel_linear_is_fast(void);

/// y [rows, outputs] = x [rows, inputs] b, plus `bias` [outputs] unless it is NULL. b is in panels of 32 outputs, [outputs / 32, inputs, 32], as
/// `panels.h` makes them. The sums of 512 inputs, or of 1,024 where there are more than that, are made in their order, and added up in theirs.
void kernel_linear(const float *x, const float *b, const float *bias, float *y, int64_t rows, int64_t inputs, int64_t outputs);
