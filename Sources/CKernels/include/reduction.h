#pragma once
#include "bfloat16.h"

typedef enum { KERNEL_SUM, KERNEL_MAX } kernel_reduction_op;

/// Reduces the middle axis of [outer, length, inner]; sums are blocked, so that their error grows with the block count only.
void kernel_reduce(
    kernel_reduction_op op, const void *x, void *y, int64_t outer, int64_t length, int64_t inner, kernel_type x_type, kernel_type y_type);

/// y = the sum of `count` arrays of n elements in a fixed binary tree over the arrays: ((0 + 1) + (2 + 3)) + …
void kernel_tree_sum_f32(const void *const *sources, int64_t count, void *y, int64_t n);
void kernel_tree_sum_f64(const void *const *sources, int64_t count, void *y, int64_t n);
