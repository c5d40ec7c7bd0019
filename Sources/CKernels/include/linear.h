#pragma once
#include <stdint.h>

enum { KERNEL_LINEAR_PANEL = 32 };

/// Whether this machine has the registers that these functions are made for, those of AVX-512, without which they must not be called on x86-64.
int kernel_linear_is_fast(void);

/// A matrix of `inputs` by `outputs` in panels of 32 outputs, [outputs / 32, inputs, 32], which begin at a multiple of 64 bytes. It lies in memory as
/// [inputs, outputs], or as [outputs, inputs] if it `is_transposed`. Inputs are a multiple of 16, outputs of 32.
void kernel_linear_panels(const float *matrix, int is_transposed, float *panels, int64_t inputs, int64_t outputs);

/// y [rows, outputs] = x [rows, inputs] b, plus `bias` [outputs] unless it is NULL, with b in panels. The sums of 512 inputs, or of 1,024 where there
/// are more than that, are made in their order, and added up in theirs.
void kernel_linear(const float *x, const float *b, const float *bias, float *y, int64_t rows, int64_t inputs, int64_t outputs);
