#pragma once
#include "bfloat16.h"

/// Zeroes each element with probability `rate` and scales the rest by 1 / (1 − rate). Element i of sample s is decided by word i % 4
/// of Philox4x32-10 at the counter (i / 4, s, time) under `key`.
void kernel_dropout(
    const void *x, void *y, int64_t samples, int64_t elements, uint64_t first_sample, uint32_t time, const uint32_t key[2], float rate,
    kernel_type type);
/// The same with one decision, element 0's, for a whole sample.
void kernel_drop_path(
    const void *x, void *y, int64_t samples, int64_t elements, uint64_t first_sample, uint32_t time, const uint32_t key[2], float rate,
    kernel_type type);
