#pragma once
#include "bfloat16.h"

/// Copies elements of 2 or 4 bytes between two strided views of the same lengths; strides in elements, 0 repeats.
void kernel_strided_copy_16(
    const void *x, void *y, int rank, const int64_t *lengths, const int64_t *x_strides, const int64_t *y_strides);
void kernel_strided_copy_32(
    const void *x, void *y, int rank, const int64_t *lengths, const int64_t *x_strides, const int64_t *y_strides);

void kernel_fill(void *y, int64_t n, float value, kernel_type type);

/// Rows of a table by index: y[i] = table[indices[i]]; an index out of range gives NaN.
void kernel_gather(
    const void *table, const int32_t *indices, void *y, int64_t count, int64_t table_rows, int64_t columns, kernel_type type);
/// dtable = 0, then dtable[indices[i]] += dy[i] in order, in double: `sums` is room for as many numbers as the table has.
void kernel_scatter_add(
    const float *dy, const int32_t *indices, double *sums, float *dtable, int64_t count, int64_t table_rows, int64_t columns);

/// Mirrors the middle axis of [outer, length, inner] at its borders, without repeating them.
void kernel_reflect(
    const void *x, void *y, int64_t outer, int64_t length, int64_t inner, int64_t before, int64_t after, kernel_type type);
void kernel_reflect_gradient(const float *dy, float *dx, int64_t outer, int64_t length, int64_t inner, int64_t before, int64_t after);

/// Windows of a map [batch, height, width, …]: cell (y, x) of the windows side by side is the map's ((y + shift) mod height, (x + shift) mod width).
typedef struct {
    int64_t batch, height, width, window_height, window_width, shift_height, shift_width;
} kernel_windows_layout;
/// Cells of `bytes` bytes, window after window; cells beyond the map are 0.
void kernel_map_to_windows(const void *x, void *y, kernel_windows_layout layout, int64_t bytes);
/// The way back.
void kernel_windows_to_map(const void *x, void *y, kernel_windows_layout layout, int64_t bytes);
