// Attention of one head in float32 over at most KERNEL_MOST_HEAD_KEYS keys: scores, softmax and the sum of values for a few queries at a time, which
// stay in a core's first cache.
#pragma once
#include "attention.h"

enum { KERNEL_MOST_HEAD_KEYS = 512 };

/// A head of a sample: `queries` rows of `width` in q, `keys` rows of `width` in k and of `value_width` in v. Rows of the operands and of their
/// gradients lie `…_row` apart, those of the output `y_row`.
typedef struct {
    int64_t sample, head, queries, keys, width, value_width, q_row, k_row, v_row, y_row;
} kernel_head;

/// p [queries, keys] = softmax(scores), y = p v; only p where y is NULL. `memory`: `kernel_head_memory` numbers, aligned to 64 bytes.
void kernel_head_attention(
    const kernel_scores *scores, const kernel_head *head, const float *q, const float *k, const float *v, float *p, float *y, float *memory);
/// The gradients of q, k and v from p and that of y; the sums of the biases += their gradients.
void kernel_head_attention_gradient(
    const kernel_scores *scores, const kernel_head *head, const float *q, const float *k, const float *v, const float *p, const float *dy,
    float *dq, float *dk, float *dv, float *memory);
int64_t kernel_head_memory(const kernel_head *head);
