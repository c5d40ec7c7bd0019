#include "normalization.h"
#include "elements.h"

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

INLINE void softmax_row(const float *x, float *y, int64_t columns, float scale) {
    float top = scale >= 0.0f ? row_max(x, columns) : x[0], sum;
    row_exp(x, y, columns, scale, top);
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
        row_exp(x, probabilities, columns, 1.0f, top);
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

// Batch normalization sees [rows, channels]. Rows are read in the order in which they lie, 512 channels at a time, so that what belongs
// to a channel stays in the nearest cache; sums take four rows at once, in order, to be loaded and stored a quarter as often.

enum { CHANNELS = 512 };

INLINE void add_moments(
    const void *x, double *sum, double *square, int64_t start, int64_t width, int64_t channels, kernel_type type, int64_t row, int count) {
    VECTORIZE
    for (int64_t c = 0; c < width; c++) {
        double s = sum[c], q = square[c];
        for (int r = 0; r < count; r++) {
            double d = load(x, (row + r) * channels + start + c, type);
            s += d;
            q += d * d;
        }
        sum[c] = s;
        square[c] = q;
    }
}

INLINE void channel_moments(const void *x, double *sums, int64_t rows, int64_t channels, kernel_type type) {
    for (int64_t start = 0; start < channels; start += CHANNELS) {
        int64_t width = channels - start < CHANNELS ? channels - start : CHANNELS;
        double sum[CHANNELS] = {0}, square[CHANNELS] = {0};
        FOR_ROWS(rows, add_moments, x, sum, square, start, width, channels, type);
        memcpy(sums + start, sum, (size_t)width * sizeof(double));
        memcpy(sums + channels + start, square, (size_t)width * sizeof(double));
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
    for (int64_t start = 0; start < channels; start += CHANNELS) {
        int64_t width = channels - start < CHANNELS ? channels - start : CHANNELS;
        const float *center = mean + start, *shift = offset + start;
        float factor[CHANNELS];
        for (int64_t c = 0; c < width; c++) factor[c] = rstd[start + c] * scale[start + c];
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

/// The gradient behind a batch norm's ReLU. A choice between dy and 0, or bits masked by it, would be compiled to a load under a mask, which
/// takes up to four times as long as this difference. Its bits are the same for every finite gradient; one that is not becomes NaN here
/// even where the ReLU stops it.
INLINE float masked(float v, float dy, float center, float factor, float shift, int relu) {
    if (!relu) return dy;
    return dy - (normalized(v, center, factor, shift) > 0.0f ? 0.0f : dy);
}

INLINE void add_gradient_sums(
    const void *x, const void *dy, const float *factor, const float *center, const float *shift, double *sum, double *dot, int64_t start,
    int64_t width, int64_t channels, int relu, kernel_type type, int64_t row, int count) {
    VECTORIZE
    for (int64_t c = 0; c < width; c++) {
        double s = sum[c], d = dot[c];
        for (int r = 0; r < count; r++) {
            int64_t i = (row + r) * channels + start + c;
            float v = load(x, i, type);
            float g = masked(v, load(dy, i, type), center[c], factor[c], shift[c], relu);
            s += (double)g;
            d += (double)(g * (v - center[c]));
        }
        sum[c] = s;
        dot[c] = d;
    }
}

INLINE void batch_norm_gradient_sums(
    const void *x, const float *mean, const float *rstd, const float *scale, const float *offset, const void *dy, double *sums,
    int64_t rows, int64_t channels, int relu, kernel_type type) {
    for (int64_t start = 0; start < channels; start += CHANNELS) {
        int64_t width = channels - start < CHANNELS ? channels - start : CHANNELS;
        float factor[CHANNELS];
        double sum[CHANNELS] = {0}, dot[CHANNELS] = {0};
        for (int64_t c = 0; c < width; c++) factor[c] = rstd[start + c] * scale[start + c];
        FOR_ROWS(
            rows, add_gradient_sums, x, dy, factor, mean + start, offset + start, sum, dot, start, width, channels, relu, type);
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
    for (int64_t start = 0; start < channels; start += CHANNELS) {
        int64_t width = channels - start < CHANNELS ? channels - start : CHANNELS;
        const float *center = mean + start, *shift = offset + start;
        float factor[CHANNELS], level[CHANNELS] = {0}, slope[CHANNELS] = {0};
        for (int64_t c = 0; c < width; c++) {
            int64_t channel = start + c;
            factor[c] = rstd[channel] * scale[channel];
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
                float g = masked(v, load(dy, base + c, type), center[c], factor[c], shift[c], relu);
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
