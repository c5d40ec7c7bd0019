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

/// 16 numbers, as many as a line of a cache holds, and the same anywhere in memory.
typedef float line __attribute__((vector_size(64)));
typedef float unaligned_line __attribute__((vector_size(64), aligned(4)));

/// Elements from which on an array that is read only after much else is written past the caches: what they hold stays there, and a line that is written
/// whole need not be read before.
enum { LARGE_ARRAY = 1 << 15 };
/// Such stores are seen in no order by other threads, unless they are waited for.
INLINE void wait_for_passing_stores(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

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

/// 2^m where the last bits of a lifted number are those of m + 127.
INLINE float shifted_bits(float lifted) { return float_from_bits((int32_t)((uint32_t)bits_from_float(lifted) << 23)); }

/// e^x; 0 below -87, infinity above 88.7, NaN for NaN.
INLINE float vector_exp(float x) {
    float clamped = x < -87.3f ? -87.3f : x > 88.8f ? 88.8f : x;
    // The last bits of the lifted number are n + 126, an exponent's, and that of 0 at the least n. n = 128 has none, so that 2^n is two factors.
    float lifted = clamped * 1.44269504f + 12583038.0f;
    float n = lifted - 12583038.0f;
    float r = clamped - n * 0.693145752f;
    r = r - n * 1.42860677e-6f;
    // (e^r - 1 - r) / r² on [-ln 2 / 2, ln 2 / 2]
    float p = 1.390152972e-03f;
    p = p * r + 8.363739844e-03f;
    p = p * r + 4.166686098e-02f;
    p = p * r + 1.666657369e-01f;
    p = p * r + 4.999999953e-01f;
    return (1.0f + (r + r * r * p)) * shifted_bits(lifted) * 2.0f;
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

/// The normal distribution's Φ(x) = (1 + erf(x / √2)) / 2, and `bell` = e^(-x²/2), a part of it: one exponential makes both. Φ(-|x|) keeps
/// its digits where it is small.
INLINE float vector_normal(float x, float *bell) {
    // The bell is 0 from here on.
    float a = fabsf(x) > 13.26f ? 13.26f : fabsf(x);
    // e^(-a²/2) = 2^(n + f). The last bits of the lifted number are n + 127, the exponent of 2^n, and of 0 at the least n.
    float u = a * a * -0.721347520f;
    float lifted = u + 12583039.0f;
    float f = u - (lifted - 12583039.0f);
    // (2^f - 1) / f on [-1/2, 1/2]
    float p = 1.535335035e-04f;
    p = p * f + 1.339888731e-03f;
    p = p * f + 9.618437487e-03f;
    p = p * f + 5.550332440e-02f;
    p = p * f + 2.402264791e-01f;
    p = p * f + 6.931472029e-01f;
    *bell = (1.0f + f * p) * shifted_bits(lifted);
    // (Φ(-a) e^(a²/2) - 1/2) / a = q / r on [0, 13.3]
    float q = -5.001689210e-03f;
    q = q * a - 4.589382787e-02f;
    q = q * a - 1.916887565e-01f;
    q = q * a - 4.153886052e-01f;
    q = q * a - 3.989424016e-01f;
    float r = 1.000337842e-02f;
    r = r * a + 9.976931379e-02f;
    r = r * a + 4.629759020e-01f;
    r = r * a + 1.192331089e+00f;
    r = r * a + 1.667886138e+00f;
    r = r * a + 1.0f;
    float tail = *bell * (0.5f + a * q / r);
    return x < 0.0f ? tail : 1.0f - tail;
}
