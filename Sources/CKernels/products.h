// What products of matrices share.
#pragma once
#include "vector_math.h"

/// A matrix whose element (i, j) lies at values[i * row + j * column].
typedef struct {
    const float *values;
    int64_t row, column;
} matrix;

/// Where a panel's product goes: columns of c, whose rows lie `row` apart.
typedef struct {
    float *c;
    int64_t row, columns;
} product_target;

typedef void (*product_function)(const float *a, int64_t step, const float *b, int64_t k, const product_target *target);

/// Attention's scores of one query lie this far from those of the next. No power of two: those would share a few sets of the first cache.
enum { SCORE_ROW = 528 };

/// The levels of x86-64 that have functions of their own, and the function for the machine. Of registers of 512 bits the compiler has to be told: it
/// would use half of them.
#if defined(__x86_64__) && defined(__linux__)
#define LEVELS_OF_X86
#define TARGET_V3 __attribute__((target("arch=x86-64-v3")))
#define TARGET_V4 __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define AT_LEVEL(function, ...)                                                                                                        \
    (__builtin_cpu_supports("x86-64-v4")   ? v4_##function(__VA_ARGS__)                                                                \
     : __builtin_cpu_supports("x86-64-v3") ? v3_##function(__VA_ARGS__)                                                                \
                                           : plain_##function(__VA_ARGS__))
#else
#define AT_LEVEL(function, ...) plain_##function(__VA_ARGS__)
#endif

INLINE int64_t ceiling_quotient(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Rows cut into panels of at most `most` rows, the first ones a row higher where they cannot all be equal.
typedef struct {
    int64_t count, low, higher;
} row_panels;

INLINE row_panels cut_rows(int64_t rows, int64_t most) {
    int64_t count = ceiling_quotient(rows, most);
    return (row_panels){count, rows / count, rows % count};
}

// Pairs of numbers, and pairs of pairs, of two rows in the same quarter of a register; then quarters.
#define LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define LOW_HALVES(a, b) __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HIGH_HALVES(a, b) __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define LOW_QUARTERS(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23)
#define HIGH_QUARTERS(a, b) __builtin_shufflevector(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31)
#define EVEN_QUARTERS(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define ODD_QUARTERS(a, b) __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)

/// 16 × 16 numbers, rows to columns.
#define TRANSPOSE_16(vector, r)                                                                                                        \
    {                                                                                                                                  \
        vector quarters[16];                                                                                                           \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i += 4) {                                                           \
            vector a = LOW_PAIRS(r[i], r[i + 1]), b = HIGH_PAIRS(r[i], r[i + 1]);                                                      \
            vector c = LOW_PAIRS(r[i + 2], r[i + 3]), d = HIGH_PAIRS(r[i + 2], r[i + 3]);                                              \
            quarters[i] = LOW_HALVES(a, c), quarters[i + 1] = HIGH_HALVES(a, c);                                                       \
            quarters[i + 2] = LOW_HALVES(b, d), quarters[i + 3] = HIGH_HALVES(b, d);                                                   \
        }                                                                                                                              \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < 4; i++) {                                                               \
            vector a = LOW_QUARTERS(quarters[i], quarters[4 + i]), b = HIGH_QUARTERS(quarters[i], quarters[4 + i]);                    \
            vector c = LOW_QUARTERS(quarters[8 + i], quarters[12 + i]), d = HIGH_QUARTERS(quarters[8 + i], quarters[12 + i]);          \
            r[i] = EVEN_QUARTERS(a, c), r[4 + i] = ODD_QUARTERS(a, c);                                                                 \
            r[8 + i] = EVEN_QUARTERS(b, d), r[12 + i] = ODD_QUARTERS(b, d);                                                            \
        }                                                                                                                              \
    }
