#include "normalization.h"
#include "channel_terms.h"

// Group normalization sees [images, positions, channels]. Its statistics are written once for every channel, so that within an image the
// loops are those of batch normalization.

void kernel_group_statistics(
    const void *x, double *moments, double *mean, float *rstd, int64_t images, int64_t positions, int64_t channels, int64_t groups,
    float epsilon, kernel_type type) {
    int64_t width = channels / groups;
    const double *means = moments + channels, *squares = moments + 2 * channels;
    for (int64_t image = 0; image < images; image++, mean += channels, rstd += channels) {
        kernel_channel_moments(from(x, image * positions * channels, type), moments, positions, channels, type);
        for (int64_t start = 0; start < channels; start += width) {
            double sum = 0.0, square = 0.0;
            for (int64_t c = start; c < start + width; c++) sum += means[c] - means[start];
            double m = means[start] + sum / (double)width;
            for (int64_t c = start; c < start + width; c++)
                square += squares[c] + (double)positions * (means[c] - m) * (means[c] - m);
            for (int64_t c = start; c < start + width; c++) {
                mean[c] = m;
                rstd[c] = (float)(1.0 / sqrt(square / (double)(positions * width) + (double)epsilon));
            }
        }
    }
}

void kernel_group_norm(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, void *y, int64_t images,
    int64_t positions, int64_t channels, int relu, kernel_type type) {
    for (int64_t image = 0; image < images; image++) {
        int64_t start = image * positions * channels, row = image * channels;
        kernel_batch_norm(
            from(x, start, type), mean + row, rstd + row, scale, offset, NULL, (void *)from(y, start, type), positions, channels, relu, type);
    }
}

/// dx of one image; `levels` and `slopes` are what the statistics take back, by channel.
INLINE void image_gradient(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *dy, const double *levels,
    const double *slopes, void *dx, int64_t positions, int64_t channels, int relu, kernel_type type) {
    for (int64_t start = 0; start < channels; start += CHANNELS) {
        int64_t width = channels - start < CHANNELS ? channels - start : CHANNELS;
        channel_terms terms;
        make_terms(&terms, mean + start, rstd + start, scale + start, offset + start, width);
        float level[CHANNELS], slope[CHANNELS];
        for (int64_t c = 0; c < width; c++) {
            slope[c] = (float)slopes[start + c];
            // What the float32 mean leaves of the mean.
            level[c] = (float)(levels[start + c] - terms.rest[c] * slopes[start + c]);
        }
        for (int64_t row = 0; row < positions; row++) {
            int64_t base = row * channels + start;
            VECTORIZE
            for (int64_t c = 0; c < width; c++) {
                float v = load(x, base + c, type);
                // Rounded before the subtraction, as the level is: in a group of one value they cancel.
                float g = masked(v, load(dy, base + c, type), terms.center[c], terms.factor[c], terms.shift[c], relu) * scale[start + c];
                store(dx, base + c, rstd[start + c] * (g - level[c] - (v - terms.center[c]) * slope[c]), type);
            }
        }
    }
}

INLINE void group_norm_gradient(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *dy, double *sums, void *dx,
    float *dscale, float *doffset, int64_t images, int64_t positions, int64_t channels, int64_t groups, int relu, kernel_type type) {
    int64_t width = channels / groups;
    double count = (double)(positions * width), *totals = sums + 2 * channels;
    memset(totals, 0, (size_t)(2 * channels) * sizeof(double));
    for (int64_t image = 0; image < images; image++, mean += channels, rstd += channels) {
        int64_t first = image * positions * channels;
        kernel_batch_norm_gradient_sums(
            from(x, first, type), mean, rstd, scale, offset, from(dy, first, type), sums, positions, channels, relu, type);
        for (int64_t c = 0; c < 2 * channels; c++) totals[c] += sums[c];
        for (int64_t start = 0; start < channels; start += width) {
            double sum = 0.0, dot = 0.0;
            for (int64_t c = start; c < start + width; c++) {
                sum += (double)scale[c] * sums[c];
                dot += (double)scale[c] * sums[channels + c];
            }
            for (int64_t c = start; c < start + width; c++) {
                sums[c] = sum / count;
                sums[channels + c] = dot / count * (double)rstd[c];
            }
        }
        image_gradient(
            from(x, first, type), mean, rstd, scale, offset, from(dy, first, type), sums, sums + channels, (void *)from(dx, first, type),
            positions, channels, relu, type);
    }
    for (int64_t c = 0; c < channels; c++) {
        doffset[c] = (float)totals[c];
        dscale[c] = (float)totals[channels + c];
    }
}

KERNEL void kernel_group_norm_gradient(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *dy, double *sums, void *dx,
    float *dscale, float *doffset, int64_t images, int64_t positions, int64_t channels, int64_t groups, int relu, kernel_type type) {
    SPECIALIZE(
        type, group_norm_gradient, x, mean, rstd, scale, offset, dy, sums, dx, dscale, doffset, images, positions, channels, groups, relu);
}
