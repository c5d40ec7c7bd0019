#include "normalization.h"
#include "elements.h"

enum { LANES = 16, COLUMNS = 64 };

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
    float best = x[0];
    for (int64_t i = 1; i < n; i++) best = x[i] > best ? x[i] : best;
    return best;
}

INLINE void softmax_row(const float *x, float *y, int64_t columns, float scale) {
    float top = scale >= 0.0f ? row_max(x, columns) : x[0], sum;
    VECTORIZE
    for (int64_t i = 0; i < columns; i++) y[i] = vector_exp(scale * (x[i] - top));
    LANE_SUM(columns, sum, y[j]);
    float inverse = 1.0f / sum;
    VECTORIZE
    for (int64_t i = 0; i < columns; i++) y[i] *= inverse;
}

KERNEL void kernel_softmax(const float *x, float *y, int64_t rows, int64_t columns, float scale) {
    for (int64_t row = 0; row < rows; row++) softmax_row(x + row * columns, y + row * columns, columns, scale);
}

KERNEL void kernel_softmax_to_bfloat16(float *x, uint16_t *y, int64_t rows, int64_t columns, float scale) {
    for (int64_t row = 0; row < rows; row++, x += columns, y += columns) {
        softmax_row(x, x, columns, scale);
        narrow(x, y, columns);
    }
}

INLINE void softmax_gradient(const void *y, const float *dy, void *dx, int64_t rows, int64_t columns, float scale, kernel_type type) {
    for (int64_t row = 0; row < rows; row++) {
        int64_t base = row * columns;
        float dot;
        LANE_SUM(columns, dot, load(y, base + j, type) * dy[base + j]);
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
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) probabilities[i] = vector_exp(x[i] - top);
        LANE_SUM(columns, sum, probabilities[j]);
        LANE_SUM(columns, total, x[j] - top);
        float inverse = 1.0f / sum, log_sum = vector_log(sum);
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) probabilities[i] *= inverse;
        int32_t label = labels[row];
        loss[row] = label < 0 || label >= columns
            ? NAN
            : (1.0f - smoothing) * (log_sum - (x[label] - top)) + smoothing * (log_sum - total / (float)columns);
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

// Batch normalization sees [rows, channels]. Channels are taken 64 at a time, so that their sums stay in registers.

INLINE void channel_moments(
    const void *x, double *sums, int64_t rows, int64_t channels, kernel_type type) {
    for (int64_t start = 0; start < channels; start += COLUMNS) {
        int64_t width = channels - start < COLUMNS ? channels - start : COLUMNS;
        double sum[COLUMNS] = {0}, square[COLUMNS] = {0};
        for (int64_t row = 0; row < rows; row++) {
            int64_t base = row * channels + start;
            VECTORIZE
            for (int64_t c = 0; c < width; c++) {
                double d = load(x, base + c, type);
                sum[c] += d;
                square[c] += d * d;
            }
        }
        VECTORIZE
        for (int64_t c = 0; c < width; c++) {
            sums[start + c] = sum[c];
            sums[channels + start + c] = square[c];
        }
    }
}

KERNEL void kernel_channel_moments(
    const void *x, double *sums, int64_t rows, int64_t channels, kernel_type type) {
    SPECIALIZE(type, channel_moments, x, sums, rows, channels);
}

KERNEL void kernel_batch_statistics(
    const double *sums, double count, float epsilon, float momentum, const float *running_mean, const float *running_variance, float *mean,
    float *rstd, float *new_running_mean, float *new_running_variance, int64_t channels) {
    for (int64_t c = 0; c < channels; c++) {
        double m = sums[c] / count;
        double variance = sums[channels + c] / count - m * m;
        if (variance < 0.0) variance = 0.0;
        double unbiased = count > 1.0 ? variance * count / (count - 1.0) : variance;
        mean[c] = (float)m;
        rstd[c] = (float)(1.0 / sqrt(variance + (double)epsilon));
        new_running_mean[c] = (float)((1.0 - (double)momentum) * (double)running_mean[c] + (double)momentum * m);
        new_running_variance[c] = (float)((1.0 - (double)momentum) * (double)running_variance[c] + (double)momentum * unbiased);
    }
}

/// One expression for the forward pass and for the mask of its ReLU: both meet the same bits.
INLINE float normalized(float x, float center, float factor, float shift) { return (x - center) * factor + shift; }

INLINE void batch_norm(
    const void *x, const float *mean, const float *rstd, const float *scale, const float *offset, const void *residual, void *y,
    int64_t rows, int64_t channels, int relu, kernel_type type) {
    for (int64_t start = 0; start < channels; start += COLUMNS) {
        int64_t width = channels - start < COLUMNS ? channels - start : COLUMNS;
        float factor[COLUMNS] = {0}, center[COLUMNS] = {0}, shift[COLUMNS] = {0};
        VECTORIZE
        for (int64_t c = 0; c < width; c++) {
            factor[c] = rstd[start + c] * scale[start + c];
            center[c] = mean[start + c];
            shift[c] = offset[start + c];
        }
        for (int64_t row = 0; row < rows; row++) {
            int64_t base = row * channels + start;
            VECTORIZE
            for (int64_t c = 0; c < width; c++) {
                float v = normalized(load(x, base + c, type), center[c], factor[c], shift[c]);
                if (residual) v = v + load(residual, base + c, type);
                store(y, base + c, relu && v < 0.0f ? 0.0f : v, type);
            }
        }
    }
}

KERNEL void kernel_batch_norm(
    const void *x, const float *mean, const float *rstd, const float *scale, const float *offset, const void *residual, void *y,
    int64_t rows, int64_t channels, int relu, kernel_type type) {
    SPECIALIZE(type, batch_norm, x, mean, rstd, scale, offset, residual, y, rows, channels, relu);
}

INLINE void batch_norm_gradient_sums(
    const void *x, const float *mean, const float *rstd, const float *scale, const float *offset, const void *dy, double *sums,
    int64_t rows, int64_t channels, int relu, kernel_type type) {
    for (int64_t start = 0; start < channels; start += COLUMNS) {
        int64_t width = channels - start < COLUMNS ? channels - start : COLUMNS;
        float factor[COLUMNS] = {0}, center[COLUMNS] = {0}, shift[COLUMNS] = {0};
        double sum[COLUMNS] = {0}, dot[COLUMNS] = {0};
        VECTORIZE
        for (int64_t c = 0; c < width; c++) {
            factor[c] = rstd[start + c] * scale[start + c];
            center[c] = mean[start + c];
            shift[c] = offset[start + c];
        }
        for (int64_t row = 0; row < rows; row++) {
            int64_t base = row * channels + start;
            VECTORIZE
            for (int64_t c = 0; c < width; c++) {
                float v = load(x, base + c, type);
                float g = relu && !(normalized(v, center[c], factor[c], shift[c]) > 0.0f) ? 0.0f : load(dy, base + c, type);
                sum[c] += (double)g;
                dot[c] += (double)(g * (v - center[c]));
            }
        }
        VECTORIZE
        for (int64_t c = 0; c < width; c++) {
            sums[start + c] = sum[c];
            sums[channels + start + c] = dot[c] * (double)rstd[start + c];
        }
    }
}

KERNEL void kernel_batch_norm_gradient_sums(
    const void *x, const float *mean, const float *rstd, const float *scale, const float *offset, const void *dy, double *sums,
    int64_t rows, int64_t channels, int relu, kernel_type type) {
    SPECIALIZE(type, batch_norm_gradient_sums, x, mean, rstd, scale, offset, dy, sums, rows, channels, relu);
}

INLINE void batch_norm_gradient(
    const void *x, const float *mean, const float *rstd, const float *scale, const float *offset, const void *dy, const double *sums,
    double count, void *dx, int64_t rows, int64_t channels, int relu, kernel_type type) {
    for (int64_t start = 0; start < channels; start += COLUMNS) {
        int64_t width = channels - start < COLUMNS ? channels - start : COLUMNS;
        float factor[COLUMNS] = {0}, center[COLUMNS] = {0}, shift[COLUMNS] = {0}, level[COLUMNS] = {0}, slope[COLUMNS] = {0};
        VECTORIZE
        for (int64_t c = 0; c < width; c++) {
            int64_t channel = start + c;
            factor[c] = rstd[channel] * scale[channel];
            center[c] = mean[channel];
            shift[c] = offset[channel];
            if (count > 0.0) {
                level[c] = (float)(sums[channel] / count);
                slope[c] = (float)(sums[channels + channel] / count * (double)rstd[channel]);
            }
        }
        for (int64_t row = 0; row < rows; row++) {
            int64_t base = row * channels + start;
            VECTORIZE
            for (int64_t c = 0; c < width; c++) {
                float v = load(x, base + c, type);
                float g = relu && !(normalized(v, center[c], factor[c], shift[c]) > 0.0f) ? 0.0f : load(dy, base + c, type);
                store(dx, base + c, factor[c] * (g - level[c] - (v - center[c]) * slope[c]), type);
            }
        }
    }
}

KERNEL void kernel_batch_norm_gradient(
    const void *x, const float *mean, const float *rstd, const float *scale, const float *offset, const void *dy, const double *sums,
    double count, void *dx, int64_t rows, int64_t channels, int relu, kernel_type type) {
    SPECIALIZE(type, batch_norm_gradient, x, mean, rstd, scale, offset, dy, sums, count, dx, rows, channels, relu);
}
