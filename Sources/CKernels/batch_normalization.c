#include "normalization.h"
#include "channel_terms.h"

// Batch normalization sees [rows, channels]. Rows are read in the order in which they lie, 512 channels at a time, so that what belongs
// to a channel stays in the nearest cache; sums take four rows at once, one of each quarter, to be loaded and stored a quarter as often.

/// Distances from a pivot near the mean: the difference is all but exact in float32, and what is left of squares in double, when the mean's
/// is taken away, is the variance in full, however large the mean.
INLINE void add_moments(
    const void *x, const float *pivot, double *sum, double *square, int64_t start, int64_t width, int64_t channels, kernel_type type,
    int64_t row, int64_t step, int count) {
    VECTORIZE
    for (int64_t c = 0; c < width; c++) {
        double s = sum[c], q = square[c];
        float p = pivot[c];
        for (int r = 0; r < count; r++) {
            double d = load(x, (row + r * step) * channels + start + c, type) - p;
            s += d;
            q += d * d;
        }
        sum[c] = s;
        square[c] = q;
    }
}

INLINE void channel_moments(const void *x, double *moments, int64_t rows, int64_t channels, kernel_type type) {
    double *counts = moments, *means = moments + channels, *squares = moments + 2 * channels;
    for (int64_t start = 0; start < channels; start += CHANNELS) {
        int64_t width = channels - start < CHANNELS ? channels - start : CHANNELS;
        double sum[CHANNELS] = {0}, square[CHANNELS] = {0};
        float pivot[CHANNELS];
        for (int64_t c = 0; c < width; c++) pivot[c] = load(x, start + c, type);
        FOR_QUARTERS(rows, add_moments, x, pivot, sum, square, start, width, channels, type);
        for (int64_t c = 0; c < width; c++) {
            double shift = sum[c] / (double)rows, rest = square[c] - sum[c] * shift;
            counts[start + c] = (double)rows;
            means[start + c] = (double)pivot[c] + shift;
            squares[start + c] = rest < 0.0 ? 0.0 : rest;
        }
    }
}

KERNEL void kernel_channel_moments(const void *x, double *moments, int64_t rows, int64_t channels, kernel_type type) {
    SPECIALIZE(type, channel_moments, x, moments, rows, channels);
}

KERNEL void kernel_batch_statistics(
    const double *moments, float epsilon, float momentum, const float *running_mean, const float *running_variance, double *mean,
    float *rstd, float *new_running_mean, float *new_running_variance, int64_t channels) {
    for (int64_t c = 0; c < channels; c++) {
        double count = moments[c], m = moments[channels + c], square = moments[2 * channels + c];
        mean[c] = m;
        rstd[c] = (float)(1.0 / sqrt(square / count + (double)epsilon));
        new_running_mean[c] = (float)((1.0 - (double)momentum) * (double)running_mean[c] + (double)momentum * m);
        new_running_variance[c] = (float)((1.0 - (double)momentum) * (double)running_variance[c]
                                          + (double)momentum * (square / (count > 1.0 ? count - 1.0 : 1.0)));
    }
}

INLINE void batch_norm(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *residual, void *y,
    int64_t rows, int64_t channels, int relu, kernel_type type) {
    for (int64_t start = 0; start < channels; start += CHANNELS) {
        int64_t width = channels - start < CHANNELS ? channels - start : CHANNELS;
        channel_terms terms;
        make_terms(&terms, mean + start, rstd + start, scale + start, offset + start, width);
        for (int64_t row = 0; row < rows; row++) {
            int64_t base = row * channels + start;
            VECTORIZE
            for (int64_t c = 0; c < width; c++) {
                float v = normalized(load(x, base + c, type), terms.center[c], terms.factor[c], terms.shift[c]);
                if (residual) v = v + load(residual, base + c, type);
                store(y, base + c, relu && v < 0.0f ? 0.0f : v, type);
            }
        }
    }
}

KERNEL void kernel_batch_norm(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *residual, void *y,
    int64_t rows, int64_t channels, int relu, kernel_type type) {
    SPECIALIZE(type, batch_norm, x, mean, rstd, scale, offset, residual, y, rows, channels, relu);
}

/// Four terms are added in float32, then their sum in double.
INLINE void add_gradient_sums(
    const void *x, const void *dy, const channel_terms *terms, double *sum, double *dot, int64_t start, int64_t width, int64_t channels,
    int relu, kernel_type type, int64_t row, int64_t step, int count) {
    VECTORIZE
    for (int64_t c = 0; c < width; c++) {
        float s[ROWS], d[ROWS];
        for (int r = 0; r < count; r++) {
            int64_t i = (row + r * step) * channels + start + c;
            float v = load(x, i, type);
            s[r] = masked(v, load(dy, i, type), terms->center[c], terms->factor[c], terms->shift[c], relu);
            d[r] = s[r] * (v - terms->center[c]);
        }
        sum[c] += (double)(count == ROWS ? (s[0] + s[1]) + (s[2] + s[3]) : s[0]);
        dot[c] += (double)(count == ROWS ? (d[0] + d[1]) + (d[2] + d[3]) : d[0]);
    }
}

INLINE void batch_norm_gradient_sums(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *dy, double *sums,
    int64_t rows, int64_t channels, int relu, kernel_type type) {
    for (int64_t start = 0; start < channels; start += CHANNELS) {
        int64_t width = channels - start < CHANNELS ? channels - start : CHANNELS;
        channel_terms terms;
        double sum[CHANNELS] = {0}, dot[CHANNELS] = {0};
        make_terms(&terms, mean + start, rstd + start, scale + start, offset + start, width);
        FOR_QUARTERS(rows, add_gradient_sums, x, dy, &terms, sum, dot, start, width, channels, relu, type);
        for (int64_t c = 0; c < width; c++) {
            sums[start + c] = sum[c];
            sums[channels + start + c] = (dot[c] - terms.rest[c] * sum[c]) * (double)rstd[start + c];
        }
    }
}

KERNEL void kernel_batch_norm_gradient_sums(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *dy, double *sums,
    int64_t rows, int64_t channels, int relu, kernel_type type) {
    SPECIALIZE(type, batch_norm_gradient_sums, x, mean, rstd, scale, offset, dy, sums, rows, channels, relu);
}

INLINE void batch_norm_gradient(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *dy, const double *sums,
    double count, void *dx, int64_t rows, int64_t channels, int relu, kernel_type type) {
    for (int64_t start = 0; start < channels; start += CHANNELS) {
        int64_t width = channels - start < CHANNELS ? channels - start : CHANNELS;
        channel_terms terms;
        float level[CHANNELS] = {0}, slope[CHANNELS] = {0};
        make_terms(&terms, mean + start, rstd + start, scale + start, offset + start, width);
        for (int64_t c = 0; c < width && count > 0.0; c++) {
            double tilt = sums[channels + start + c] / count * (double)rstd[start + c];
            slope[c] = (float)tilt;
            level[c] = (float)(sums[start + c] / count - terms.rest[c] * tilt);
        }
        for (int64_t row = 0; row < rows; row++) {
            int64_t base = row * channels + start;
            VECTORIZE
            for (int64_t c = 0; c < width; c++) {
                float v = load(x, base + c, type);
                float g = masked(v, load(dy, base + c, type), terms.center[c], terms.factor[c], terms.shift[c], relu);
                store(dx, base + c, terms.factor[c] * (g - level[c] - (v - terms.center[c]) * slope[c]), type);
            }
        }
    }
}

KERNEL void kernel_batch_norm_gradient(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *dy, const double *sums,
    double count, void *dx, int64_t rows, int64_t channels, int relu, kernel_type type) {
    SPECIALIZE(type, batch_norm_gradient, x, mean, rstd, scale, offset, dy, sums, count, dx, rows, channels, relu);
}
