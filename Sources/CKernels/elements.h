// Reading and writing arrays of either element type. Rounding is in integers, so that it gives the same bits on every machine: the
// instruction for it, where there is one, flushes small numbers to zero.
#pragma once
#include "bfloat16.h"
#include "vector_math.h"

INLINE float widened(uint16_t v) { return float_from_bits((int32_t)((uint32_t)v << 16)); }

INLINE uint16_t narrowed(float v) {
    uint32_t bits = (uint32_t)bits_from_float(v);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return (uint16_t)(v != v ? (bits >> 16) | 0x40u : rounded);
}

INLINE float load(const void *x, int64_t i, kernel_type type) {
    return type == KERNEL_BFLOAT16 ? widened(((const uint16_t *)x)[i]) : ((const float *)x)[i];
}

INLINE void store(void *y, int64_t i, float v, kernel_type type) {
    if (type == KERNEL_BFLOAT16)
        ((uint16_t *)y)[i] = narrowed(v);
    else
        ((float *)y)[i] = v;
}

/// The value that an array of the type would keep.
INLINE float rounded(float v, kernel_type type) { return type == KERNEL_BFLOAT16 ? widened(narrowed(v)) : v; }

/// The array from element i on.
INLINE const void *from(const void *x, int64_t i, kernel_type type) {
    return (const char *)x + i * (type == KERNEL_BFLOAT16 ? 2 : 4);
}

INLINE void widen(const uint16_t *x, float *y, int64_t n) {
    VECTORIZE
    for (int64_t i = 0; i < n; i++) y[i] = widened(x[i]);
}

INLINE void narrow(const float *x, uint16_t *y, int64_t n) {
    VECTORIZE
    for (int64_t i = 0; i < n; i++) y[i] = narrowed(x[i]);
}

/// Compiles a body for the type it is called with: `body` is an inline function whose last argument is a constant in each branch.
#define SPECIALIZE(type, body, ...)                                                                                                    \
    if ((type) == KERNEL_BFLOAT16)                                                                                                     \
        body(__VA_ARGS__, KERNEL_BFLOAT16);                                                                                            \
    else                                                                                                                               \
        body(__VA_ARGS__, KERNEL_FLOAT32)

enum { ROWS = 4 };

/// Runs a body for the rows from `begin` to before `end`, four at once while there are so many: with the first of them and with their number,
/// which is a constant in each branch.
#define FOR_ROWS(begin, end, body, ...)                                                                                                \
    for (int64_t row = (begin); row < (end);)                                                                                          \
        if (row + ROWS <= (end)) {                                                                                                     \
            body(__VA_ARGS__, row, ROWS);                                                                                              \
            row += ROWS;                                                                                                               \
        } else {                                                                                                                       \
            body(__VA_ARGS__, row, 1);                                                                                                 \
            row += 1;                                                                                                                  \
        }

/// The same for the rows from 0 on, four at once a quarter of them apart; the body is told so before their number. From memory, four places that
/// are each read from front to back come several times faster than four neighbouring rows in turns: they are fetched ahead.
#define FOR_QUARTERS(rows, body, ...)                                                                                                  \
    {                                                                                                                                  \
        int64_t quarter = (rows) / ROWS;                                                                                               \
        for (int64_t row = 0; row < quarter; row++) body(__VA_ARGS__, row, quarter, ROWS);                                             \
        for (int64_t row = ROWS * quarter; row < (rows); row++) body(__VA_ARGS__, row, 1, 1);                                          \
    }
