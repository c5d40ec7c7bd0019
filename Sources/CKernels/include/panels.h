#pragma once
#include <stdint.h>

// Matrices in panels of `width` rows or columns, as products read them: from the first number to the last. The width is a multiple of 16, and y begins
// at a multiple of 64 bytes.

/// The rows of x [rows, columns], in y [rows / width, columns, width]. Rows are a multiple of the width, and columns of 16.
void kernel_row_panels(const float *x, float *y, int64_t rows, int64_t columns, int64_t width);
/// The columns of x [rows, columns], in y [columns / width, rows, width]. Columns are a multiple of the width.
void kernel_column_panels(const float *x, float *y, int64_t rows, int64_t columns, int64_t width);
