// Attention's scores: what is added to products, and to the gradients of what was added.
#pragma once
#include "attention.h"
#include "rows.h"

/// Where row `query` of a bias begins, in its values and its sums.
INLINE int64_t bias_row(const kernel_scores *s, const kernel_score_bias *bias, int64_t sample, int64_t head, int64_t query) {
    return ((sample % bias->groups * bias->heads + head % bias->heads) * s->queries + query) * s->keys;
}

/// Products to scores.
INLINE void score_row(const kernel_scores *s, float *x, int64_t sample, int64_t head, int64_t query, int64_t key, int64_t columns) {
    float scale = s->scale;
    if (s->bias_count == 0) {
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) x[i] *= scale;
    }
    for (int k = 0; k < s->bias_count; k++) {
        const float *bias = s->biases[k].values + bias_row(s, &s->biases[k], sample, head, query) + key;
        if (k == 0) {
            VECTORIZE
            for (int64_t i = 0; i < columns; i++) x[i] = scale * x[i] + bias[i];
        } else {
            VECTORIZE
            for (int64_t i = 0; i < columns; i++) x[i] += bias[i];
        }
    }
}

/// g, a row of it, added to the sums of the biases.
INLINE void add_to_sums(const kernel_scores *s, const float *g, int64_t sample, int64_t head, int64_t query, int64_t key, int64_t columns) {
    for (int k = 0; k < s->bias_count; k++) {
        if (!s->biases[k].sums) continue;
        double *sums = s->biases[k].sums + bias_row(s, &s->biases[k], sample, head, query) + key;
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) sums[i] += (double)g[i];
    }
}

INLINE int has_sums(const kernel_scores *s) {
    for (int k = 0; k < s->bias_count; k++)
        if (s->biases[k].sums) return 1;
    return 0;
}
