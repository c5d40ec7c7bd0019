#include "normalization.h"
#include "elements.h"
#include "rows.h"

INLINE void softmax_rows(const float *x, float *y, void *z, int64_t columns, float scale, kernel_type type, int64_t row, int count) {
    int64_t start = row * columns;
    // What a scale below 0 makes largest is found as any other.
    float last[ROWS][LANES], sign = scale < 0.0f ? -1.0f : 1.0f;
    for (int k = 0; k < count; k++) {
        int64_t base = start + k * columns;
        lanes end = {0};
        if (columns % LANES) load_part(&end, x + base, columns - LANES, KERNEL_FLOAT32);
        FOR_PARTS(columns, {
            lanes v = end;
            if (whole) load_part(&v, x + base, i, KERNEL_FLOAT32);
            v *= sign;
            if (i < 0) v = LANE_NUMBERS < (int32_t)-i ? (lanes)-INFINITY : v;
            memcpy(whole ? y + base + i : last[k], &v, sizeof v);
        })
    }
    softmax_parts(y + start, last, (void *)from(z, start, type), columns, sign * scale, type, count);
}

KERNEL void kernel_softmax(const float *x, float *y, int64_t rows, int64_t columns, float scale) {
    FOR_ROWS(0, rows, softmax_rows, x, y, y, columns, scale, KERNEL_FLOAT32);
}

KERNEL void kernel_softmax_to_bfloat16(float *x, uint16_t *y, int64_t rows, int64_t columns, float scale) {
    FOR_ROWS(0, rows, softmax_rows, x, x, y, columns, scale, KERNEL_BFLOAT16);
}

INLINE void softmax_gradient(const void *y, const float *dy, void *dx, int64_t rows, int64_t columns, float scale, kernel_type type) {
    for (int64_t row = 0; row < rows; row++) {
        int64_t base = row * columns;
        float dot = row_dot(from(y, base, type), dy + base, columns, type);
        VECTORIZE
        for (int64_t i = base; i < base + columns; i++) store(dx, i, scale * load(y, i, type) * (dy[i] - dot), type);
    }
}

KERNEL void kernel_softmax_gradient(
    const void *y, const float *dy, void *dx, int64_t rows, int64_t columns, float scale, kernel_type type) {
    SPECIALIZE(type, softmax_gradient, y, dy, dx, rows, columns, scale);
}

KERNEL void kernel_log_softmax(const float *x, float *y, int64_t rows, int64_t columns) {
    for (int64_t row = 0; row < rows; row++, x += columns, y += columns) {
        float top = row_max(x, columns), sum;
        LANE_SUM(columns, sum, vector_exp(x[j] - top));
        float log_sum = vector_log(sum);
        // In this order: where the logits are large, their differences still are exact.
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) y[i] = (x[i] - top) - log_sum;
    }
}

KERNEL void kernel_log_softmax_gradient(const float *y, const float *dy, float *dx, int64_t rows, int64_t columns) {
    for (int64_t row = 0; row < rows; row++, y += columns, dy += columns, dx += columns) {
        float sum;
        LANE_SUM(columns, sum, dy[j]);
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) dx[i] = dy[i] - vector_exp(y[i]) * sum;
    }
}

KERNEL void kernel_cross_entropy(
    const float *x, const int32_t *labels, float *loss, float *probabilities, int64_t rows, int64_t columns, float smoothing) {
    for (int64_t row = 0; row < rows; row++, x += columns, probabilities += columns) {
        float top = row_max(x, columns), sum, total;
        row_exp(x, probabilities, columns, 1.0f, top);
        LANE_SUM(columns, sum, probabilities[j]);
        LANE_SUM(columns, total, x[j] - top);
        float inverse = 1.0f / sum, log_sum = vector_log(sum);
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) probabilities[i] *= inverse;
        int32_t label = labels[row];
        if (label < 0 || label >= columns) {
            loss[row] = NAN;
        } else {
            // Without smoothing, the other logits may be -infinity: a probability of 0 that nothing asks for.
            loss[row] = (1.0f - smoothing) * (log_sum - (x[label] - top));
            if (smoothing != 0.0f) loss[row] += smoothing * (log_sum - total / (float)columns);
        }
    }
}

KERNEL void kernel_cross_entropy_gradient(
    const float *probabilities, const int32_t *labels, const float *dloss, float *dx, int64_t rows, int64_t columns, float smoothing) {
    float base = smoothing / (float)columns;
    for (int64_t row = 0; row < rows; row++, probabilities += columns, dx += columns) {
        float g = dloss[row];
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) dx[i] = (probabilities[i] - base) * g;
        if (labels[row] >= 0 && labels[row] < columns) dx[labels[row]] -= (1.0f - smoothing) * g;
    }
}

KERNEL void kernel_binary_cross_entropy(const float *p, const float *t, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float positive = vector_log(p[i]), negative = vector_log(1.0f - p[i]);
        positive = positive < -100.0f ? -100.0f : positive;
        negative = negative < -100.0f ? -100.0f : negative;
        y[i] = -(t[i] * positive + (1.0f - t[i]) * negative);
    }
}
