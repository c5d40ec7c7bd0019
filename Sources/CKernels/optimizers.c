#include "optimizers.h"
#include <math.h>

#if defined(__x86_64__)
#define FOR_EVERY_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EVERY_CPU
#endif

FOR_EVERY_CPU
double optimizer_sum_of_squares(const float *restrict g, ptrdiff_t n) {
    enum { lanes = 16 };
    double sums[lanes] = {0};
    ptrdiff_t i = 0;
    for (; i + lanes <= n; i += lanes)
        for (int lane = 0; lane < lanes; lane++) sums[lane] += (double)g[i + lane] * g[i + lane];
    for (int lane = 0; i < n; i++, lane++) sums[lane] += (double)g[i] * g[i];
    for (int width = lanes / 2; width > 0; width /= 2)
        for (int lane = 0; lane < width; lane++) sums[lane] += sums[lane + width];
    return sums[0];
}

FOR_EVERY_CPU
void optimizer_add_l1(float *restrict g, const float *restrict w, ptrdiff_t n, float strength) {
    for (ptrdiff_t i = 0; i < n; i++) g[i] += w[i] > 0 ? strength : w[i] < 0 ? -strength : 0;
}

FOR_EVERY_CPU
void optimizer_sgd(float *restrict w, const float *restrict g, ptrdiff_t n, float scale, float decay, float rate) {
    for (ptrdiff_t i = 0; i < n; i++) w[i] -= rate * (scale * g[i] + decay * w[i]);
}

FOR_EVERY_CPU
void optimizer_sgd_momentum(
    float *restrict w, const float *restrict g, float *restrict momentum_buffer, ptrdiff_t n, float scale, float decay, float rate,
    float momentum) {
    for (ptrdiff_t i = 0; i < n; i++) {
        momentum_buffer[i] = momentum * momentum_buffer[i] + (scale * g[i] + decay * w[i]);
        w[i] -= rate * momentum_buffer[i];
    }
}

FOR_EVERY_CPU
void optimizer_sgd_nesterov(
    float *restrict w, const float *restrict g, float *restrict momentum_buffer, ptrdiff_t n, float scale, float decay, float rate,
    float momentum) {
    for (ptrdiff_t i = 0; i < n; i++) {
        float gradient = scale * g[i] + decay * w[i];
        momentum_buffer[i] = momentum * momentum_buffer[i] + gradient;
        w[i] -= rate * (gradient + momentum * momentum_buffer[i]);
    }
}

FOR_EVERY_CPU
void optimizer_adagrad(
    float *restrict w, const float *restrict g, float *restrict sum, ptrdiff_t n, float scale, float decay, float rate, float epsilon) {
    for (ptrdiff_t i = 0; i < n; i++) {
        float gradient = scale * g[i] + decay * w[i];
        sum[i] += gradient * gradient;
        w[i] -= rate * gradient / (sqrtf(sum[i]) + epsilon);
    }
}

FOR_EVERY_CPU
void optimizer_adam(
    float *restrict w, const float *restrict g, float *restrict exp_avg, float *restrict exp_avg_sq, ptrdiff_t n, float scale, float decay,
    float keep, float rate, float beta1, float one_minus_beta1, float beta2, float one_minus_beta2, float root_scale, float epsilon) {
    for (ptrdiff_t i = 0; i < n; i++) {
        float gradient = scale * g[i] + decay * w[i];
        exp_avg[i] = beta1 * exp_avg[i] + one_minus_beta1 * gradient;
        exp_avg_sq[i] = beta2 * exp_avg_sq[i] + one_minus_beta2 * gradient * gradient;
        w[i] = keep * w[i] - rate * exp_avg[i] / (sqrtf(exp_avg_sq[i]) * root_scale + epsilon);
    }
}
