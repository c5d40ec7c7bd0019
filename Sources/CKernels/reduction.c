#include "reduction.h"
#include "elements.h"

enum { LANES = 16, COLUMNS = 64, BLOCK = 128 };

/// The sum of a contiguous run: 16 lanes over blocks of 2,048, then the blocks in order.
INLINE float row_sum(const void *x, int64_t n, kernel_type type) {
    float total = 0.0f;
    for (int64_t start = 0; start < n; start += BLOCK * LANES) {
        int64_t end = start + BLOCK * LANES < n ? start + BLOCK * LANES : n;
        float lanes[LANES] = {0};
        int64_t i = start;
        for (; i + LANES <= end; i += LANES)
            for (int lane = 0; lane < LANES; lane++) lanes[lane] += load(x, i + lane, type);
        for (int lane = 0; i < end; i++, lane++) lanes[lane] += load(x, i, type);
        for (int width = LANES / 2; width > 0; width /= 2)
            for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
        total += lanes[0];
    }
    return total;
}

/// Not (v > best), so that a NaN wins.
INLINE float larger(float best, float v) { return v <= best ? best : v; }

INLINE float row_max(const void *x, int64_t n, kernel_type type) {
    float best = load(x, 0, type);
    for (int64_t i = 1; i < n; i++) best = larger(best, load(x, i, type));
    return best;
}

/// The sums of `width` neighbouring columns of `length` rows, in blocks of rows.
INLINE void column_sums(const void *x, int64_t length, int64_t inner, int64_t width, float *total, kernel_type type) {
    for (int c = 0; c < COLUMNS; c++) total[c] = 0.0f;
    for (int64_t start = 0; start < length; start += BLOCK) {
        int64_t end = start + BLOCK < length ? start + BLOCK : length;
        float partial[COLUMNS] = {0};
        if (width == COLUMNS) {
            for (int64_t row = start; row < end; row++)
                for (int c = 0; c < COLUMNS; c++) partial[c] += load(x, row * inner + c, type);
        } else {
            for (int64_t row = start; row < end; row++)
                for (int64_t c = 0; c < width; c++) partial[c] += load(x, row * inner + c, type);
        }
        for (int c = 0; c < COLUMNS; c++) total[c] += partial[c];
    }
}

INLINE void column_maxima(const void *x, int64_t length, int64_t inner, int64_t width, float *best, kernel_type type) {
    for (int64_t c = 0; c < width; c++) best[c] = load(x, c, type);
    for (int64_t row = 1; row < length; row++)
        for (int64_t c = 0; c < width; c++) best[c] = larger(best[c], load(x, row * inner + c, type));
}

INLINE void reduce(
    kernel_reduction_op op, const void *x, void *y, int64_t outer, int64_t length, int64_t inner, kernel_type y_type, kernel_type type) {
    for (int64_t o = 0; o < outer; o++) {
        const void *block = from(x, o * length * inner, type);
        if (inner == 1) {
            store(y, o, op == KERNEL_SUM ? row_sum(block, length, type) : row_max(block, length, type), y_type);
            continue;
        }
        for (int64_t column = 0; column < inner; column += COLUMNS) {
            int64_t width = inner - column < COLUMNS ? inner - column : COLUMNS;
            float result[COLUMNS];
            if (op == KERNEL_SUM)
                column_sums(from(block, column, type), length, inner, width, result, type);
            else
                column_maxima(from(block, column, type), length, inner, width, result, type);
            for (int64_t c = 0; c < width; c++) store(y, o * inner + column + c, result[c], y_type);
        }
    }
}

KERNEL void kernel_reduce(
    kernel_reduction_op op, const void *x, void *y, int64_t outer, int64_t length, int64_t inner, kernel_type x_type, kernel_type y_type) {
    if (length == 0) {
        for (int64_t i = 0; i < outer * inner; i++) store(y, i, op == KERNEL_SUM ? 0.0f : -INFINITY, y_type);
        return;
    }
    SPECIALIZE(x_type, reduce, op, x, y, outer, length, inner, y_type);
}

enum { TREE_WIDTH = 512, TREE_DEPTH = 16 };

// Pairs of equal weight are added as in a binary counter; what remains is added from the right. Two and four terms, the usual numbers, need
// no memory for what is on its way.
#define TREE_SUM(type)                                                                                                                 \
    type *result = y;                                                                                                                  \
    const type *const *terms = (const type *const *)sources;                                                                           \
    if (count == 2) {                                                                                                                  \
        const type *a = terms[0], *b = terms[1];                                                                                       \
        VECTORIZE                                                                                                                      \
        for (int64_t i = 0; i < n; i++) result[i] = a[i] + b[i];                                                                       \
        return;                                                                                                                        \
    }                                                                                                                                  \
    if (count == 4) {                                                                                                                  \
        const type *a = terms[0], *b = terms[1], *c = terms[2], *d = terms[3];                                                         \
        VECTORIZE                                                                                                                      \
        for (int64_t i = 0; i < n; i++) result[i] = (a[i] + b[i]) + (c[i] + d[i]);                                                     \
        return;                                                                                                                        \
    }                                                                                                                                  \
    for (int64_t start = 0; start < n; start += TREE_WIDTH) {                                                                          \
        int64_t width = n - start < TREE_WIDTH ? n - start : TREE_WIDTH;                                                               \
        type stack[TREE_DEPTH][TREE_WIDTH];                                                                                            \
        int depth = 0;                                                                                                                 \
        for (int64_t source = 0; source < count; source++) {                                                                           \
            const type *x = terms[source] + start;                                                                                     \
            for (int64_t i = 0; i < width; i++) stack[depth][i] = x[i];                                                                \
            depth++;                                                                                                                   \
            for (int64_t pairs = source + 1; pairs % 2 == 0; pairs /= 2) {                                                             \
                depth--;                                                                                                               \
                for (int64_t i = 0; i < width; i++) stack[depth - 1][i] += stack[depth][i];                                            \
            }                                                                                                                          \
        }                                                                                                                              \
        while (depth > 1) {                                                                                                            \
            depth--;                                                                                                                   \
            for (int64_t i = 0; i < width; i++) stack[depth - 1][i] += stack[depth][i];                                                \
        }                                                                                                                              \
        for (int64_t i = 0; i < width; i++) result[start + i] = stack[0][i];                                                           \
    }

KERNEL void kernel_tree_sum_f32(const void *const *sources, int64_t count, void *y, int64_t n) { TREE_SUM(float) }
KERNEL void kernel_tree_sum_f64(const void *const *sources, int64_t count, void *y, int64_t n) { TREE_SUM(double) }
