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

typedef enum { KERNEL_NORMAL, KERNEL_UNIFORM, KERNEL_BERNOULLI } kernel_random_kind;

/// Numbers of mean 0 and variance 1 (Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958), from 0 up to 1, or 1 with
/// `probability` and else 0. Element i of sample s is made of word i % 4 of Philox4x32-10 at the counter (i / 4, s, time) under `key`, a normal one of
/// the two words of its pair.
void kernel_random(
    kernel_random_kind kind, float *y, int64_t samples, int64_t elements, uint64_t first_sample, uint32_t time, const uint32_t key[2],
    float probability);
