#include "normalization.h"
#include "rows.h"

// Four rows are taken at once: a row's sums, its division and its root wait for each other, those of different rows do not. They are read one
// after the other at first, for memory is fetched ahead where it is read in order. Sums in float32 end after so many columns or rows, and go on
// in double.
enum { COLUMN_BLOCK = 1024, ROW_BLOCK = 16 };

/// Runs a body for 16 columns from `i` on, of which the first `width` are there, up to before `end`.
#define FOR_LANES(begin, end, ...)                                                                                                     \
    {                                                                                                                                  \
        int64_t i = (begin);                                                                                                           \
        for (; i + LANES <= (end); i += LANES) {                                                                                       \
            const int width = LANES;                                                                                                   \
            __VA_ARGS__                                                                                                                \
        }                                                                                                                              \
        if (i < (end)) {                                                                                                               \
            const int width = (int)((end) - i);                                                                                        \
            __VA_ARGS__                                                                                                                \
        }                                                                                                                              \
    }

/// Runs a body for blocks of columns, each from `begin` to before `end`.
#define FOR_BLOCKS(columns, ...)                                                                                                       \
    for (int64_t begin = 0; begin < (columns); begin += COLUMN_BLOCK) {                                                                \
        int64_t end = (columns) - begin < COLUMN_BLOCK ? (columns) : begin + COLUMN_BLOCK;                                             \
        __VA_ARGS__                                                                                                                    \
    }

/// Sums over a row keep 16 partial sums, so that they do not depend on the instruction set's width. What is added is written where it is
/// added: a product in it is not rounded before.
#define ADD(sum, term)                                                                                                                 \
    {                                                                                                                                  \
        lanes next = (sum) + (term);                                                                                                   \
        (sum) = width == LANES ? next : LANE_NUMBERS < width ? next : (sum);                                                           \
    }

INLINE void load_lanes(lanes *v, const void *x, int64_t i, int width, kernel_type type) {
    if (width == LANES) return load_whole(v, x, i, type);
    float part[LANES] = {0};
    for (int lane = 0; lane < width; lane++) part[lane] = load(x, i + lane, type);
    memcpy(v, part, sizeof part);
}

INLINE void layer_norm_rows(
    const void *x, const void *addend, void *sum, const float *scale, const float *offset, void *y, double *mean, float *rstd,
    int64_t columns, float epsilon, kernel_type type, int64_t row, int count) {
    int64_t start = row * columns;
    if (addend) {
        VECTORIZE
        for (int64_t i = start; i < start + count * columns; i++) store(sum, i, load(x, i, type) + load(addend, i, type), type);
        x = sum;
    }
    // The sum is one of distances from the first number, so that the mean of equal numbers is that number, and a large one costs no digits.
    float pivot[ROWS], m[ROWS], r[ROWS], shift[ROWS];
    double sum_of[ROWS] = {0}, square_of[ROWS] = {0};
    for (int k = 0; k < count; k++) pivot[k] = columns > 0 ? load(x, start + k * columns, type) : 0.0f;
    FOR_BLOCKS(columns, for (int k = 0; k < count; k++) {
        lanes sums = {0};
        FOR_LANES(begin, end, {
            lanes v;
            load_lanes(&v, x, start + k * columns + i, width, type);
            v -= pivot[k];
            ADD(sums, v);
        })
        sum_of[k] += (double)total(&sums);
    })
    for (int k = 0; k < count; k++) {
        mean[row + k] = (double)pivot[k] + sum_of[k] / (double)columns;
        m[k] = (float)mean[row + k];
    }
    FOR_BLOCKS(columns, {
        lanes squares[ROWS] = {0};
        FOR_LANES(begin, end, for (int k = 0; k < count; k++) {
            lanes v;
            load_lanes(&v, x, start + k * columns + i, width, type);
            v -= m[k];
            ADD(squares[k], v * v);
        })
        for (int k = 0; k < count; k++) square_of[k] += (double)total(&squares[k]);
    })
    for (int k = 0; k < count; k++) {
        // What the float32 mean leaves of the mean.
        double rest = mean[row + k] - (double)m[k], variance = square_of[k] / (double)columns - rest * rest;
        r[k] = 1.0f / sqrtf((variance < 0.0 ? 0.0f : (float)variance) + epsilon);
        shift[k] = (float)-rest * r[k];
        rstd[row + k] = r[k];
    }
    for (int k = 0; k < count; k++) {
        int64_t base = start + k * columns;
        if (scale)
            VECTORIZE
            for (int64_t i = 0; i < columns; i++)
                store(y, base + i, ((load(x, base + i, type) - m[k]) * r[k] + shift[k]) * scale[i] + offset[i], type);
        else
            VECTORIZE
            for (int64_t i = 0; i < columns; i++) {
                float v = (load(x, base + i, type) - m[k]) * r[k] + shift[k];
                // No -0, as with an offset of 0.
                store(y, base + i, v + 0.0f, type);
            }
    }
}

INLINE void layer_norm(
    const void *x, const void *addend, void *sum, const float *scale, const float *offset, void *y, double *mean, float *rstd, int64_t rows,
    int64_t columns, float epsilon, kernel_type type) {
    FOR_ROWS(0, rows, layer_norm_rows, x, addend, sum, scale, offset, y, mean, rstd, columns, epsilon, type);
}

KERNEL void kernel_layer_norm(
    const void *x, const void *addend, void *sum, const float *scale, const float *offset, void *y, double *mean, float *rstd, int64_t rows,
    int64_t columns, float epsilon, kernel_type type) {
    SPECIALIZE(type, layer_norm, x, addend, sum, scale, offset, y, mean, rstd, rows, columns, epsilon);
}

INLINE void layer_norm_gradient_rows(
    const void *x, const float *scale, const double *mean, const float *rstd, const void *dy, const void *addend, void *dx, float *dscale,
    float *doffset, int64_t columns, kernel_type type, int64_t row, int count) {
    int64_t start = row * columns;
    double sum_of[ROWS] = {0}, dot_of[ROWS] = {0};
    float m[ROWS], r[ROWS], shift[ROWS];
    for (int k = 0; k < count; k++) {
        m[k] = (float)mean[row + k];
        r[k] = rstd[row + k];
        shift[k] = (float)((double)m[k] - mean[row + k]) * r[k];
    }
    FOR_BLOCKS(columns, for (int k = 0; k < count; k++) {
        lanes sums = {0}, dots = {0};
        FOR_LANES(begin, end, {
            lanes g, v, s;
            load_lanes(&g, dy, start + k * columns + i, width, type);
            load_lanes(&v, x, start + k * columns + i, width, type);
            v -= m[k];
            if (scale) {
                load_lanes(&s, scale, i, width, KERNEL_FLOAT32);
                ADD(sums, g * s);
                ADD(dots, g * s * v);
            } else {
                ADD(sums, g);
                ADD(dots, g * v);
            }
        })
        sum_of[k] += (double)total(&sums);
        dot_of[k] += (double)total(&dots);
    })
    if (dscale)
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) {
            float scale_sum = dscale[i], offset_sum = doffset[i];
            for (int k = 0; k < count; k++) {
                int64_t j = start + k * columns + i;
                scale_sum += load(dy, j, type) * ((load(x, j, type) - m[k]) * r[k] + shift[k]);
                offset_sum += load(dy, j, type);
            }
            dscale[i] = scale_sum;
            doffset[i] = offset_sum;
        }
    for (int k = 0; k < count; k++) {
        int64_t base = start + k * columns;
        double rest = mean[row + k] - (double)m[k], inverse = 1.0 / (double)columns;
        double tilt = (dot_of[k] - rest * sum_of[k]) * ((double)r[k] * (double)r[k] * inverse);
        float slope = (float)tilt, level = (float)(sum_of[k] * inverse - rest * tilt);
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) {
            // Rounded before the subtraction, as it was in the sum: what should cancel, cancels.
            float g = load(dy, base + i, type) * (scale ? scale[i] : 1.0f);
            float d = r[k] * (g - level - (load(x, base + i, type) - m[k]) * slope);
            if (addend) d = load(addend, base + i, type) + rounded(d, type);
            store(dx, base + i, d, type);
        }
    }
}

INLINE void layer_norm_gradient(
    const void *x, const float *scale, const double *mean, const float *rstd, const void *dy, const void *addend, void *dx, float *dscale,
    float *doffset, double *sums, int64_t rows, int64_t columns, kernel_type type) {
    if (dscale) memset(sums, 0, (size_t)(2 * columns) * sizeof(double));
    for (int64_t begin = 0; begin < rows; begin += ROW_BLOCK) {
        int64_t end = rows - begin < ROW_BLOCK ? rows : begin + ROW_BLOCK;
        if (dscale) memset(dscale, 0, (size_t)columns * sizeof(float));
        if (doffset) memset(doffset, 0, (size_t)columns * sizeof(float));
        FOR_ROWS(begin, end, layer_norm_gradient_rows, x, scale, mean, rstd, dy, addend, dx, dscale, doffset, columns, type);
        for (int64_t i = 0; i < columns && dscale; i++) {
            sums[i] += (double)dscale[i];
            sums[columns + i] += (double)doffset[i];
        }
    }
    for (int64_t i = 0; i < columns && dscale; i++) {
        dscale[i] = (float)sums[i];
        doffset[i] = (float)sums[columns + i];
    }
}

KERNEL void kernel_layer_norm_gradient(
    const void *x, const float *scale, const double *mean, const float *rstd, const void *dy, const void *addend, void *dx, float *dscale,
    float *doffset, double *sums, int64_t rows, int64_t columns, kernel_type type) {
    SPECIALIZE(type, layer_norm_gradient, x, scale, mean, rstd, dy, addend, dx, dscale, doffset, sums, rows, columns);
}
