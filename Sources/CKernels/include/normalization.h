#pragma once
#include "bfloat16.h"

/// Row-wise softmax of scale·x, in place or not.
void kernel_softmax(const float *x, float *y, int64_t rows, int64_t columns, float scale);
/// The same rounded to bfloat16; x is used up.
void kernel_softmax_to_bfloat16(float *x, uint16_t *y, int64_t rows, int64_t columns, float scale);
/// dx = scale · y ∘ (dy − ⟨dy, y⟩); y and dx are of `type`.
void kernel_softmax_gradient(
    const void *y, const float *dy, void *dx, int64_t rows, int64_t columns, float scale, kernel_type type);
void kernel_log_softmax(const float *x, float *y, int64_t rows, int64_t columns);
/// dx = dy − e^y Σ dy
void kernel_log_softmax_gradient(const float *y, const float *dy, float *dx, int64_t rows, int64_t columns);

/// loss[row] = −Σ q log softmax(x), q = (1 − smoothing) one-hot + smoothing / columns; `probabilities` gets the softmax.
/// A label out of range gives a NaN.
void kernel_cross_entropy(
    const float *x, const int32_t *labels, float *loss, float *probabilities, int64_t rows, int64_t columns, float smoothing);
/// dx = (probabilities − q) dloss
void kernel_cross_entropy_gradient(
    const float *probabilities, const int32_t *labels, const float *dloss, float *dx, int64_t rows, int64_t columns, float smoothing);

/// y = −t log p − (1 − t) log(1 − p), logarithms cut at −100.
void kernel_binary_cross_entropy(const float *p, const float *t, float *y, int64_t n);

/// y = (x − mean) rstd scale + offset by row; scale and offset are both there or both null. Saves mean and rstd of every row. x, y and
/// their gradients are of `type`. With an addend, which may be null, x + addend takes the place of x and is written to `sum`.
void kernel_layer_norm(
    const void *x, const void *addend, void *sum, const float *scale, const float *offset, void *y, double *mean, float *rstd, int64_t rows,
    int64_t columns, float epsilon, kernel_type type);
/// dx, plus `addend` unless it is null, and the sums over rows dscale and doffset (both there or both null), for which `sums` is room for
/// 2 `columns` numbers.
void kernel_layer_norm_gradient(
    const void *x, const float *scale, const double *mean, const float *rstd, const void *dy, const void *addend, void *dx, float *dscale,
    float *doffset, double *sums, int64_t rows, int64_t columns, kernel_type type);

/// The moments of each channel over rows, in double: moments[0…C) = how many there are, moments[C…2C) = their mean, moments[2C…3C) =
/// Σ (x − mean)². No precision is lost where the mean is large beside the deviations.
void kernel_channel_moments(const void *x, double *moments, int64_t rows, int64_t channels, kernel_type type);
/// From moments: mean, rstd, and running statistics moved towards them by `momentum` (the variance unbiased).
void kernel_batch_statistics(
    const double *moments, float epsilon, float momentum, const float *running_mean, const float *running_variance, double *mean,
    float *rstd, float *new_running_mean, float *new_running_variance, int64_t channels);
/// y = (x − mean) rstd scale + offset, by channel (x, y and their gradients of `type`), plus `residual` unless it is null, then ReLU if asked.
void kernel_batch_norm(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *residual, void *y,
    int64_t rows, int64_t channels, int relu, kernel_type type);
/// sums[0…C) = Σ dy, sums[C…2C) = Σ dy x̂ over rows, in double. With `relu`, dy counts where y > 0, which x tells, and is nothing
/// elsewhere, not even where it is infinite; scale and offset serve for nothing else.
void kernel_batch_norm_gradient_sums(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *dy, double *sums,
    int64_t rows, int64_t channels, int relu, kernel_type type);
/// dx = rstd scale (dy − Σdy / count − x̂ Σdy x̂ / count); with count = 0 (fixed statistics) the sums do not count.
void kernel_batch_norm_gradient(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *dy, const double *sums,
    double count, void *dx, int64_t rows, int64_t channels, int relu, kernel_type type);

/// Mean and rstd of each group of channels of each image, over its positions, written once for every channel: `[images, channels]`. x is
/// `[images, positions, channels]`; `moments` is room for 3 C numbers.
void kernel_group_statistics(
    const void *x, double *moments, double *mean, float *rstd, int64_t images, int64_t positions, int64_t channels, int64_t groups,
    float epsilon, kernel_type type);
/// y = (x − mean) rstd scale + offset, or 0 where that is negative if `relu`; mean and rstd by image and channel, scale and offset by channel.
void kernel_group_norm(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, void *y, int64_t images,
    int64_t positions, int64_t channels, int relu, kernel_type type);
/// dx = rstd (scale dy − mean of scale dy − x̂ · mean of scale dy x̂), the means over the group; dscale = Σ dy x̂ and doffset = Σ dy over
/// images and positions, with dy = 0 where a ReLU is closed. `sums` is room for 4 C numbers.
void kernel_group_norm_gradient(
    const void *x, const double *mean, const float *rstd, const float *scale, const float *offset, const void *dy, double *sums, void *dx,
    float *dscale, float *doffset, int64_t images, int64_t positions, int64_t channels, int64_t groups, int relu, kernel_type type);
