#include "head_attention.h"
#include "products.h"
#include "scores.h"

INLINE int64_t whole_parts(int64_t n) { return ceiling_quotient(n, LANES) * LANES; }

/// 16 numbers of a row of n from `i` on, of which those behind its end are whatever lies there; 0 where the row `is_last`, one of those from whose
/// beginning on there are less than whole parts.
INLINE void load_lanes(lanes *v, const float *row, int64_t i, int64_t n, int is_last) {
    if (is_last && i + LANES > n) {
        *v = (lanes){0};
        memcpy(v, row + i, (size_t)(n - i) * sizeof(float));
    } else {
        memcpy(v, row + i, sizeof *v);
    }
}

/// The way back.
INLINE void store_lanes(const lanes *v, float *row, int64_t i, int64_t n, int is_last) {
    memcpy(row + i, v, is_last && i + LANES > n ? (size_t)(n - i) * sizeof(float) : sizeof *v);
}

/// A number for lanes behind a row's end.
INLINE void fill_behind(lanes *v, int64_t i, int64_t n, float number) {
    if (i + LANES > n) *v = LANE_NUMBERS < (int32_t)(n - i) ? *v : (lanes)number;
}

/// The softmax of a query's scores x, which stays in x, to p too. Rows are written in their order: what one that is not the last writes behind its end
/// is written over.
INLINE void probabilities_of_row(const kernel_scores *s, float *x, float *p, int64_t sample, int64_t head, int64_t query, int is_last) {
    int64_t keys = s->keys;
    float scale = s->scale;
    lanes best = (lanes)-INFINITY, sums = {0};
    const float *addends[KERNEL_MOST_SCORE_BIASES];
    for (int k = 0; k < s->bias_count; k++) addends[k] = s->biases[k].values + bias_row(s, &s->biases[k], sample, head, query);
    for (int64_t i = 0; i < keys; i += LANES) {
        lanes v, addend;
        memcpy(&v, x + i, sizeof v);
        v *= scale;
        for (int k = 0; k < s->bias_count; k++) {
            load_lanes(&addend, addends[k], i, keys, is_last);
            v += addend;
        }
        fill_behind(&v, i, keys, -INFINITY);
        best = v > best ? v : best;
        memcpy(x + i, &v, sizeof v);
    }
    float top = largest(&best);
    for (int64_t i = 0; i < keys; i += LANES) {
        lanes v;
        exp_lanes(x + i, x + i, 1.0f, top);
        memcpy(&v, x + i, sizeof v);
        sums += v;
    }
    float inverse = 1.0f / total(&sums);
    for (int64_t i = 0; i < keys; i += LANES) {
        lanes v;
        memcpy(&v, x + i, sizeof v);
        v *= inverse;
        memcpy(x + i, &v, sizeof v);
        store_lanes(&v, p, i, keys, is_last);
    }
}

/// The gradient of a query's products from that of its probabilities in x, where it stays, to g too; the sums of the biases += their gradient.
INLINE void gradient_of_row(
    const kernel_scores *s, const float *p, float *x, float *g, int64_t sample, int64_t head, int64_t query, int is_last) {
    int64_t keys = s->keys;
    lanes sums = {0}, a, b;
    for (int64_t i = 0; i < keys; i += LANES) {
        load_lanes(&a, p, i, keys, is_last);
        memcpy(&b, x + i, sizeof b);
        a *= b;
        fill_behind(&a, i, keys, 0.0f);
        sums += a;
    }
    float dot = total(&sums), scale = s->scale;
    for (int64_t i = 0; i < keys; i += LANES) {
        load_lanes(&a, p, i, keys, is_last);
        memcpy(&b, x + i, sizeof b);
        a *= b - dot;
        memcpy(x + i, &a, sizeof a);
    }
    if (has_sums(s)) add_to_sums(s, x, sample, head, query, 0, keys);
    for (int64_t i = 0; i < keys; i += LANES) {
        memcpy(&a, x + i, sizeof a);
        a *= scale;
        memcpy(x + i, &a, sizeof a);
        memcpy(g + i, &a, sizeof a);
    }
}

/// Asks for the rows of the head behind this one, before they are needed: the next one of the sample, or the first of the next sample.
INLINE void fetch_next_rows(const kernel_scores *s, const kernel_head *h, const float *x, int64_t rows, int64_t width, int64_t stride) {
    enum { LINE = 16 };
    x += h->head + 1 < s->heads ? width : rows * stride - h->head * width;
    for (int64_t row = 0; row < rows; row++, x += stride)
        for (int64_t i = 0; i < width; i += LINE) __builtin_prefetch(x + i, 0, 2);
}

/// Asks for numbers that are to be written.
INLINE void fetch_target(const float *x, int64_t n) {
    enum { LINE = 16 };
    for (int64_t i = 0; i < n; i += LINE) __builtin_prefetch(x + i, 1, 2);
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
