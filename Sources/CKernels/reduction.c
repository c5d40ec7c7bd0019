#include "reduction.h"
#include "elements.h"

enum { LANES = 16, COLUMNS = 512 };

// Sums are made of four terms in float32, then in double: all terms but a few of a sum in float32 would be small beside it, and their last
// digits lost, the same for all where they are alike.

/// The sum of a contiguous run, in 16 lanes.
INLINE float row_sum(const void *x, int64_t n, kernel_type type) {
    double lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int lane = 0; lane < LANES; lane++) {
            float low = load(x, i + lane, type) + load(x, i + LANES + lane, type);
            float high = load(x, i + 2 * LANES + lane, type) + load(x, i + 3 * LANES + lane, type);
            lanes[lane] += (double)(low + high);
        }
    for (; i < n; i++) lanes[i % LANES] += (double)load(x, i, type);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
    return (float)lanes[0];
}

/// Not (v > best), so that a NaN wins.
INLINE float larger(float best, float v) { return v <= best ? best : v; }

INLINE float row_max(const void *x, int64_t n, kernel_type type) {
    float best = load(x, 0, type);
    for (int64_t i = 1; i < n; i++) best = larger(best, load(x, i, type));
    return best;
}

INLINE void add_rows(const void *x, int64_t inner, int64_t width, double *total, kernel_type type, int64_t row, int64_t step, int count) {
    VECTORIZE
    for (int64_t c = 0; c < width; c++) {
        int64_t i = row * inner + c, apart = step * inner;
        float sum = load(x, i, type);
        if (count == ROWS) sum = (sum + load(x, i + apart, type)) + (load(x, i + 2 * apart, type) + load(x, i + 3 * apart, type));
        total[c] += (double)sum;
    }
}

/// The sums of `width` neighbouring columns of `length` rows.
INLINE void column_sums(const void *x, int64_t length, int64_t inner, int64_t width, float *total, kernel_type type) {
    double sums[COLUMNS] = {0};
    FOR_QUARTERS(length, add_rows, x, inner, width, sums, type);
    for (int64_t c = 0; c < width; c++) total[c] = (float)sums[c];
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

/// Of a power of two of large arrays, at most 16, sums to another place past the caches. How many numbers were summed up.
INLINE int64_t stream_sums(const float *const *terms, int64_t count, float *y, int64_t n) {
    enum { LINE = 16 };
    if (n < LARGE_ARRAY || (uintptr_t)y % sizeof(line) != 0) return 0;
    for (int64_t k = 0; k < count; k++)
        if (terms[k] == y) return 0;
    int64_t whole = n / LINE * LINE;
#define PART(k) (*(const unaligned_line *)(terms[k] + i))
#define TWO(k) (PART(k) + PART((k) + 1))
#define FOUR(k) (TWO(k) + TWO((k) + 2))
#define EIGHT(k) (FOUR(k) + FOUR((k) + 4))
#define STREAM(sum)                                                                                                                    \
    for (int64_t i = 0; i < whole; i += LINE) __builtin_nontemporal_store(sum, (line *)(y + i));                                       \
    break
    switch (count) {
    case 1: STREAM(PART(0));
    case 2: STREAM(TWO(0));
    case 4: STREAM(FOUR(0));
    case 8: STREAM(EIGHT(0));
    case 16: STREAM(EIGHT(0) + EIGHT(8));
    default: return 0;
    }
    wait_for_passing_stores();
    return whole;
}

INLINE void tree_sum_f32(const void *const *sources, int64_t count, void *y, int64_t n) { TREE_SUM(float) }

KERNEL void kernel_tree_sum_f32(const void *const *sources, int64_t count, void *y, int64_t n) {
    int64_t done = stream_sums((const float *const *)sources, count, y, n);
    if (done == 0) return tree_sum_f32(sources, count, y, n);
    const void *rest[16];
    for (int64_t k = 0; k < count; k++) rest[k] = (const float *)sources[k] + done;
    if (done < n) tree_sum_f32(rest, count, (float *)y + done, n - done);
}

KERNEL void kernel_tree_sum_f64(const void *const *sources, int64_t count, void *y, int64_t n) { TREE_SUM(double) }

enum { MOMENTS_WIDTH = 64 };

typedef struct {
    double count[MOMENTS_WIDTH], mean[MOMENTS_WIDTH], square[MOMENTS_WIDTH];
} moments_block;

/// The moments of a and b together, in place of a's (Chan, Golub, LeVeque 1979).
INLINE void join_moments(moments_block *a, const moments_block *b, int64_t width) {
    for (int64_t c = 0; c < width; c++) {
        double count = a->count[c] + b->count[c], share = b->count[c] / count, difference = b->mean[c] - a->mean[c];
        a->mean[c] += difference * share;
        a->square[c] += b->square[c] + difference * difference * a->count[c] * share;
        a->count[c] = count;
    }
}

KERNEL void kernel_tree_moments(const void *const *parts, int64_t count, void *moments, int64_t channels) {
    for (int64_t start = 0; start < channels; start += MOMENTS_WIDTH) {
        int64_t width = channels - start < MOMENTS_WIDTH ? channels - start : MOMENTS_WIDTH;
        size_t bytes = (size_t)width * sizeof(double);
        moments_block stack[TREE_DEPTH];
        int depth = 0;
        for (int64_t part = 0; part < count; part++) {
            const double *x = (const double *)parts[part] + start;
            memcpy(stack[depth].count, x, bytes);
            memcpy(stack[depth].mean, x + channels, bytes);
            memcpy(stack[depth].square, x + 2 * channels, bytes);
            depth++;
            for (int64_t pairs = part + 1; pairs % 2 == 0; pairs /= 2) {
                depth--;
                join_moments(&stack[depth - 1], &stack[depth], width);
            }
        }
        while (depth > 1) {
            depth--;
            join_moments(&stack[depth - 1], &stack[depth], width);
        }
        double *result = (double *)moments + start;
        memcpy(result, stack[0].count, bytes);
        memcpy(result + channels, stack[0].mean, bytes);
        memcpy(result + 2 * channels, stack[0].square, bytes);
    }
}
