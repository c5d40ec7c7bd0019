// Products of float32 matrices. Every element is a sum of fused multiply-adds (where the machine has them) in an order that depends on the number of
// its terms alone: whatever the size of the registers, the bits are the same.
#pragma once
#include <stdint.h>

/// A matrix whose element (i, j) lies at values[i * row + j * column]; one of the strides is 1.
typedef struct {
    const float *values;
    int64_t row, column;
} kernel_matrix;

/// c = a b, or c += a b where `adds` is set: a [m, k], b [k, n], and c [m, n] with rows `c_row` apart. `bias` [n] or NULL is added to every row.
///
/// memory: `kernel_matrix_memory` numbers of the caller's, aligned to 64 bytes.
void kernel_matrix_product(
    kernel_matrix a, kernel_matrix b, float *c, int64_t c_row, int64_t m, int64_t k, int64_t n, const float *bias, int adds, float *memory);
int64_t kernel_matrix_memory(int64_t m, int64_t k, int64_t n);
