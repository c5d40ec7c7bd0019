// Sums, maxima and exponentials of rows.
#pragma once
#include "elements.h"

enum { LANES = 16 };

typedef float lanes __attribute__((ext_vector_type(LANES)));
typedef int32_t lane_mask __attribute__((ext_vector_type(LANES)));
typedef uint16_t half_lanes __attribute__((ext_vector_type(LANES)));

#define LANE_NUMBERS ((lane_mask){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})

INLINE float total(const lanes *sum) {
    float __attribute__((ext_vector_type(8))) eight = sum->lo + sum->hi;
    float __attribute__((ext_vector_type(4))) four = eight.lo + eight.hi;
    float __attribute__((ext_vector_type(2))) two = four.lo + four.hi;
    return two.x + two.y;
}

INLINE float largest(const lanes *v) {
    float __attribute__((ext_vector_type(8))) eight = v->lo > v->hi ? v->lo : v->hi;
    float __attribute__((ext_vector_type(4))) four = eight.lo > eight.hi ? eight.lo : eight.hi;
    float __attribute__((ext_vector_type(2))) two = four.lo > four.hi ? four.lo : four.hi;
    return two.x > two.y ? two.x : two.y;
}

/// Sums over a row keep 16 partial sums, so that they vectorize and do not depend on the instruction set's width.
#define LANE_SUM(n, result, expression)                                                                                                \
    {                                                                                                                                  \
        float lanes[LANES] = {0};                                                                                                      \
        int64_t i = 0;                                                                                                                 \
        for (; i + LANES <= (n); i += LANES)                                                                                           \
            for (int lane = 0; lane < LANES; lane++) {                                                                                 \
                int64_t j = i + lane;                                                                                                  \
                lanes[lane] += (expression);                                                                                           \
            }                                                                                                                          \
        for (int lane = 0; i < (n); i++, lane++) {                                                                                     \
            int64_t j = i;                                                                                                             \
            lanes[lane] += (expression);                                                                                               \
        }                                                                                                                              \
        for (int width = LANES / 2; width > 0; width /= 2)                                                                             \
            for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];                                               \
        result = lanes[0];                                                                                                             \
    }

/// Runs a body for the parts of a row, 16 numbers from `i` on. Where its length is no multiple of 16, the last part, for which `whole` is 0, is the
/// row's last 16 numbers, some of which the part before has too; in a shorter row its `i` is negative.
#define FOR_PARTS(n, ...)                                                                                                              \
    {                                                                                                                                  \
        for (int64_t i = 0; i + LANES <= (n); i += LANES) {                                                                            \
            const int whole = 1;                                                                                                       \
            (void)whole;                                                                                                               \
            __VA_ARGS__                                                                                                                \
        }                                                                                                                              \
        if ((n) % LANES) {                                                                                                             \
            const int whole = 0;                                                                                                       \
            (void)whole;                                                                                                               \
            const int64_t i = (n) - LANES;                                                                                             \
            __VA_ARGS__                                                                                                                \
        }                                                                                                                              \
    }

/// 0 in the lanes of a row's last part that the part before has too, or that lie before the row.
INLINE void clear_known(lanes *v, int64_t n) { *v = LANE_NUMBERS < (int32_t)(LANES - n % LANES) ? (lanes)0.0f : *v; }

/// 16 numbers from i on.
INLINE void load_whole(lanes *v, const void *x, int64_t i, kernel_type type) {
    if (type == KERNEL_BFLOAT16) {
        half_lanes halves;
        memcpy(&halves, (const uint16_t *)x + i, sizeof halves);
        lane_mask bits = __builtin_convertvector(halves, lane_mask) << 16;
        memcpy(v, &bits, sizeof bits);
    } else {
        memcpy(v, (const float *)x + i, sizeof *v);
    }
}

/// The part of a row from i on, and −∞ in lanes before the row.
INLINE void load_part(lanes *v, const void *row, int64_t i, kernel_type type) {
    if (i >= 0) return load_whole(v, row, i, type);
    float part[LANES];
    for (int lane = 0; lane < LANES; lane++) part[lane] = i + lane < 0 ? -INFINITY : load(row, i + lane, type);
    memcpy(v, part, sizeof part);
}

INLINE void store_part(const lanes *v, void *row, int64_t i, kernel_type type) {
    if (i < 0) {
        float part[LANES];
        memcpy(part, v, sizeof part);
        for (int lane = (int)-i; lane < LANES; lane++) store(row, i + lane, part[lane], type);
    } else if (type == KERNEL_BFLOAT16) {
        uint32_t __attribute__((ext_vector_type(LANES))) bits, nearest;
        memcpy(&bits, v, sizeof bits);
        nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        half_lanes halves = __builtin_convertvector(*v != *v ? (bits >> 16) | 0x40 : nearest, half_lanes);
        memcpy((uint16_t *)row + i, &halves, sizeof halves);
    } else {
        memcpy((float *)row + i, v, sizeof *v);
    }
}

INLINE float row_max(const float *x, int64_t n) {
    lanes best = (lanes)-INFINITY;
    FOR_PARTS(n, {
        lanes v;
        load_part(&v, x, i, KERNEL_FLOAT32);
        best = v > best ? v : best;
    })
    return largest(&best);
}

/// ⟨x, y⟩
INLINE float row_dot(const void *x, const float *y, int64_t n, kernel_type type) {
    lanes sum = {0};
    FOR_PARTS(n, {
        lanes a, b;
        load_part(&a, x, i, type);
        load_part(&b, y, i, KERNEL_FLOAT32);
        if (!whole) {
            clear_known(&a, n);
            clear_known(&b, n);
        }
        sum += a * b;
    })
    return total(&sum);
}

INLINE void exp_lanes(const float *x, float *y, float scale, float top) {
    VECTORIZE
    for (int lane = 0; lane < LANES; lane++) y[lane] = vector_exp(scale * (x[lane] - top));
}

/// exp(scale (x - top)). The last 16 are made first, as one vector, for y may be x; some of them twice, with the same bits.
INLINE void row_exp(const float *x, float *y, int64_t n, float scale, float top) {
    if (n < LANES) {
        for (int64_t i = 0; i < n; i++) y[i] = vector_exp(scale * (x[i] - top));
        return;
    }
    float last[LANES];
    exp_lanes(x + n - LANES, last, scale, top);
    for (int64_t i = 0; i + LANES <= n; i += LANES) exp_lanes(x + i, y + i, scale, top);
    memcpy(y + n - LANES, last, sizeof last);
}

/// The softmax of scale · x by row, to y, which may be x. A row waits for its maximum and its sum; rows side by side do not wait for each other. The
/// rows' last parts that are not whole are in `last`. x is overwritten.
INLINE void softmax_parts(float *x, float (*last)[LANES], void *y, int64_t n, float scale, kernel_type type, int count) {
    float top[ROWS], sum[ROWS];
    for (int k = 0; k < count; k++) {
        lanes best = (lanes)-INFINITY;
        FOR_PARTS(n, {
            lanes v;
            memcpy(&v, whole ? x + k * n + i : last[k], sizeof v);
            best = v > best ? v : best;
        })
        top[k] = largest(&best);
    }
    for (int k = 0; k < count; k++) {
        lanes sums = {0};
        FOR_PARTS(n, {
            float *part = whole ? x + k * n + i : last[k];
            lanes v;
            exp_lanes(part, part, scale, top[k]);
            memcpy(&v, part, sizeof v);
            if (!whole) clear_known(&v, n);
            sums += v;
        })
        sum[k] = total(&sums);
    }
    for (int k = 0; k < count; k++) {
        float inverse = 1.0f / sum[k];
        FOR_PARTS(n, {
            lanes v;
            memcpy(&v, whole ? x + k * n + i : last[k], sizeof v);
            v *= inverse;
            store_part(&v, (void *)from(y, k * n, type), i, type);
        })
    }
}
