// Sums, maxima and exponentials of rows.
#pragma once
#include "vector_math.h"

enum { LANES = 16 };

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

INLINE float row_max(const float *x, int64_t n) {
    float lanes[LANES];
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = x[0];
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int lane = 0; lane < LANES; lane++) lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
    for (; i < n; i++) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int lane = 0; lane < width; lane++) lanes[lane] = lanes[lane + width] > lanes[lane] ? lanes[lane + width] : lanes[lane];
    return lanes[0];
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
