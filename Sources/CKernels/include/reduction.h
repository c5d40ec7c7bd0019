#pragma once
#include "bfloat16.h"

typedef enum { KERNEL_SUM, KERNEL_MAX } kernel_reduction_op;

/// Reduces the middle axis of [outer, length, inner]; sums are made in double but for the first four terms, so that however many there are,
/// the error is about that of the result's rounding.
void kernel_reduce(
    kernel_reduction_op op, const void *x, void *y, int64_t outer, int64_t length, int64_t inner, kernel_type x_type, kernel_type y_type);

/// y = the sum of `count` arrays of n elements in a fixed binary tree over the arrays: ((0 + 1) + (2 + 3)) + …
void kernel_tree_sum_f32(const void *const *sources, int64_t count, void *y, int64_t n);
void kernel_tree_sum_f64(const void *const *sources, int64_t count, void *y, int64_t n);

/// The moments of all samples from those of `count` parts of them, as `kernel_channel_moments` makes them, in the same tree. `moments` may be
/// one of the parts.
void kernel_tree_moments(const void *const *parts, int64_t count, void *moments, int64_t channels);
