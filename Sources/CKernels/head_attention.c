#include "head_attention.h"
#include "products.h"
#include "scores.h"

/// The softmax of a query's products x, which stays in x, to p too.
INLINE void probabilities_of_row(const kernel_scores *s, float *x, float *p, int64_t sample, int64_t head, int64_t query) {
    int64_t keys = s->keys;
    float scale = s->scale, sum;
    if (s->bias_count > 0) {
        score_row(s, x, sample, head, query, 0, keys);
        scale = 1.0f;
    }
    float top = scale >= 0.0f ? row_max(x, keys) : x[0];
    row_exp(x, x, keys, scale, top);
    LANE_SUM(keys, sum, x[j]);
    float inverse = 1.0f / sum;
    VECTORIZE
    for (int64_t i = 0; i < keys; i++) p[i] = x[i] = x[i] * inverse;
}

/// The gradient of a query's products from that of its probabilities in x, where it stays, to g too; the sums of the biases += their gradient.
INLINE void gradient_of_row(const kernel_scores *s, const float *p, float *x, float *g, int64_t sample, int64_t head, int64_t query) {
    int64_t keys = s->keys;
    float scale = s->scale, dot;
    LANE_SUM(keys, dot, p[j] * x[j]);
    VECTORIZE
    for (int64_t i = 0; i < keys; i++) x[i] = p[i] * (x[i] - dot);
    if (has_sums(s)) add_to_sums(s, x, sample, head, query, 0, keys);
    VECTORIZE
    for (int64_t i = 0; i < keys; i++) g[i] = x[i] = scale * x[i];
}

#define LOOPS "head_attention_loops.h"
#include "all_levels.h"

int64_t kernel_head_memory(const kernel_head *head) { return AT_LEVEL(head_memory, head); }

void kernel_head_attention(
    const kernel_scores *scores, const kernel_head *head, const float *q, const float *k, const float *v, float *p, float *y, float *memory) {
    AT_LEVEL(head_attention, scores, head, q, k, v, p, y, memory);
}

void kernel_head_attention_gradient(
    const kernel_scores *scores, const kernel_head *head, const float *q, const float *k, const float *v, const float *p, const float *dy,
    float *dq, float *dk, float *dv, float *memory) {
    AT_LEVEL(head_gradient, scores, head, q, k, v, p, dy, dq, dk, dv, memory);
}
