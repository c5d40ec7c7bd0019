#pragma once
#include <stddef.h>

// Passes over a run of parameters `w` and their gradients `g`. In the updates below, `scale` first multiplies the gradient (clipping),
// then `decay * w` is added to it.

/// The sum of squares in double. Squares of floats are exact in double, and the order of the sums is fixed by the code: 16 lanes.
double optimizer_sum_of_squares(const float *g, ptrdiff_t n);

/// g += strength * sign(w)
void optimizer_add_l1(float *g, const float *w, ptrdiff_t n, float strength);

/// w -= rate * g
void optimizer_sgd(float *w, const float *g, ptrdiff_t n, float scale, float decay, float rate);

/// momentum_buffer = momentum * momentum_buffer + g; w -= rate * momentum_buffer
void optimizer_sgd_momentum(float *w, const float *g, float *momentum_buffer, ptrdiff_t n, float scale, float decay, float rate, float momentum);

/// momentum_buffer = momentum * momentum_buffer + g; w -= rate * (g + momentum * momentum_buffer)
void optimizer_sgd_nesterov(float *w, const float *g, float *momentum_buffer, ptrdiff_t n, float scale, float decay, float rate, float momentum);

/// sum += g²; w -= rate * g / (sqrt(sum) + epsilon)
void optimizer_adagrad(float *w, const float *g, float *sum, ptrdiff_t n, float scale, float decay, float rate, float epsilon);

/// exp_avg = beta1 * exp_avg + (1 - beta1) * g; exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * g²;
/// w = keep * w - rate * exp_avg / (sqrt(exp_avg_sq) * root_scale + epsilon)
///
/// `rate` and `root_scale` hold the corrections of the bias, 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t); `keep` is 1 for Adam and
/// 1 - learning rate * weight decay for AdamW.
void optimizer_adam(
    float *w, const float *g, float *exp_avg, float *exp_avg_sq, ptrdiff_t n, float scale, float decay, float keep, float rate,
    float beta1, float one_minus_beta1, float beta2, float one_minus_beta2, float root_scale, float epsilon);
