// Transcendental functions without branches, so that loops over them vectorize. Largest relative errors about 2e-7; coefficients are
// least-maximum fits made for this file (ranges beside them).
#pragma once
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/// One compilation for each level of x86-64; the loader picks the one for the machine.
#if defined(__x86_64__) && defined(__linux__)
#define KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KERNEL
#endif
/// Before a loop whose arrays are the same or apart, but never shifted against each other: outputs may be inputs, element by element.
#define VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
/// Before such a loop over long chains of arithmetic: four vectors at a time, so that a chain need not wait for itself.
#define VECTORIZE_CHAINS _Pragma("clang loop vectorize(assume_safety) interleave_count(4)")
#define INLINE static inline __attribute__((always_inline))

INLINE float float_from_bits(int32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

INLINE int32_t bits_from_float(float value) {
    int32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

/// e^x; 0 below -87.3, infinity above 88.7, NaN for NaN.
INLINE float vector_exp(float x) {
    float clamped = x < -87.3f ? -87.3f : x > 88.8f ? 88.8f : x;
    float n = rintf(clamped * 1.44269504f);
    float r = clamped - n * 0.693145752f;
    r = r - n * 1.42860677e-6f;
    // (e^r - 1 - r) / r² on [-ln 2 / 2, ln 2 / 2]
    float p = 1.390152972e-03f;
    p = p * r + 8.363739844e-03f;
    p = p * r + 4.166686098e-02f;
    p = p * r + 1.666657369e-01f;
    p = p * r + 4.999999953e-01f;
    float y = 1.0f + (r + r * r * p);
    // 2^n in two factors: n = 128 has none of its own.
    float scaled = y * float_from_bits(((int32_t)n + 126) << 23) * 2.0f;
    return x < -87.3f ? 0.0f : x != x ? x : scaled;
}

/// Natural logarithm; -infinity at 0, NaN below.
INLINE float vector_log(float x) {
    // Subnormal numbers are lifted into the normal range first.
    float lifted = x < FLT_MIN ? x * 8388608.0f : x;
    float offset = x < FLT_MIN ? -23.0f : 0.0f;
    int32_t bits = bits_from_float(lifted);
    int32_t exponent = ((bits - 0x3f3504f3) >> 23);
    float m = float_from_bits(bits - (exponent << 23));
    float t = m - 1.0f;
    // (log(1 + t) - t + t²/2) / t³ on [√½ - 1, √2 - 1]
    float p = 7.037585974e-02f;
    p = p * t - 1.151455972e-01f;
    p = p * t + 1.167701170e-01f;
    p = p * t - 1.242014899e-01f;
    p = p * t + 1.424932234e-01f;
    p = p * t - 1.666805728e-01f;
    p = p * t + 2.000071477e-01f;
    p = p * t - 2.499999400e-01f;
    p = p * t + 3.333333117e-01f;
    float e = (float)exponent + offset;
    float y = t * t * t * p + e * 1.42860677e-6f;
    y = y - 0.5f * t * t + t + e * 0.693145752f;
    return x > 0.0f ? (x > FLT_MAX ? x : y) : x == 0.0f ? -INFINITY : NAN;
}

/// log(1 + x), exact for small x.
INLINE float vector_log1p(float x) {
    float u = 1.0f + x;
    float correction = u - 1.0f;
    return correction == 0.0f ? x : vector_log(u) * (x / correction);
}

INLINE float vector_tanh(float x) {
    float a = fabsf(x), s = x * x;
    // (tanh x / x - 1) / x² for x² on [0, 0.4]
    float p = 2.269585851e-03f;
    p = p * s - 8.323271309e-03f;
    p = p * s + 2.176253241e-02f;
    p = p * s - 5.395846583e-02f;
    p = p * s + 1.333330017e-01f;
    p = p * s - 3.333333315e-01f;
    float small = x + x * s * p;
    float large = copysignf(1.0f - 2.0f / (vector_exp(2.0f * (a > 10.0f ? 10.0f : a)) + 1.0f), x);
    return a < 0.6f ? small : x != x ? x : large;
}

INLINE float vector_sigmoid(float x) { return 1.0f / (1.0f + vector_exp(-x)); }

INLINE float vector_erf(float x) {
    float a = fabsf(x), s = x * x;
    // erf(x) / x for x² on [0, 1]
    float p = -9.641516233e-06f;
    p = p * s + 1.125694794e-04f;
    p = p * s - 8.482828847e-04f;
    p = p * s + 5.220945433e-03f;
    p = p * s - 2.686540004e-02f;
    p = p * s + 1.128378197e-01f;
    p = p * s - 3.761263843e-01f;
    p = p * s + 1.128379167e+00f;
    float small = x * p;
    // log(erfc(a)) + a² on [1, 4]
    float b = a > 4.0f ? 4.0f : a;
    float q = 7.845214877e-07f;
    q = q * b - 1.245279369e-05f;
    q = q * b + 6.434150115e-05f;
    q = q * b + 1.017602261e-04f;
    q = q * b - 3.360270621e-03f;
    q = q * b + 2.383651118e-02f;
    q = q * b - 1.069615007e-01f;
    q = q * b + 3.658038781e-01f;
    q = q * b - 1.129203855e+00f;
    q = q * b + 1.252936268e-04f;
    float large = copysignf(1.0f - vector_exp(q - b * b), x);
    return a < 1.0f ? small : x != x ? x : large;
}
