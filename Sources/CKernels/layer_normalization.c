#include "normalization.h"
#include "elements.h"

// Four rows are taken at once: a row's sums, its division and its root wait for each other, those of different rows do not.
enum { LANES = 16 };

typedef float lanes __attribute__((ext_vector_type(LANES)));
typedef int32_t lane_mask __attribute__((ext_vector_type(LANES)));

/// Runs a body for 16 columns from `i` on, of which the first `width` are there.
#define FOR_LANES(columns, ...)                                                                                                        \
    {                                                                                                                                  \
        int64_t i = 0;                                                                                                                 \
        for (; i + LANES <= (columns); i += LANES) {                                                                                   \
            const int width = LANES;                                                                                                   \
            __VA_ARGS__                                                                                                                \
        }                                                                                                                              \
        if (i < (columns)) {                                                                                                           \
            const int width = (int)((columns) - i);                                                                                    \
            __VA_ARGS__                                                                                                                \
        }                                                                                                                              \
    }

/// Sums over a row keep 16 partial sums, so that they do not depend on the instruction set's width. What is added is written where it is
/// added: a product in it is not rounded before.
#define ADD(sum, term)                                                                                                                 \
    {                                                                                                                                  \
        lanes next = (sum) + (term);                                                                                                   \
        lane_mask lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};                                                       \
        (sum) = width == LANES ? next : lane < width ? next : (sum);                                                                   \
    }

INLINE void load_lanes(lanes *v, const void *x, int64_t i, int width, kernel_type type) {
    if (width < LANES) {
        float part[LANES] = {0};
        for (int lane = 0; lane < width; lane++) part[lane] = load(x, i + lane, type);
        memcpy(v, part, sizeof part);
    } else if (type == KERNEL_BFLOAT16) {
        uint16_t __attribute__((ext_vector_type(LANES))) halves;
        memcpy(&halves, (const uint16_t *)x + i, sizeof halves);
        lane_mask bits = __builtin_convertvector(halves, lane_mask) << 16;
        memcpy(v, &bits, sizeof bits);
    } else {
        memcpy(v, (const float *)x + i, sizeof *v);
    }
}

INLINE float total(const lanes *sum) {
    float __attribute__((ext_vector_type(8))) eight = sum->lo + sum->hi;
    float __attribute__((ext_vector_type(4))) four = eight.lo + eight.hi;
    float __attribute__((ext_vector_type(2))) two = four.lo + four.hi;
    return two.x + two.y;
}

INLINE void layer_norm_rows(
    const void *x, const void *addend, void *sum, const float *scale, const float *offset, void *y, float *mean, float *rstd,
    int64_t columns, float epsilon, kernel_type type, int64_t row, int count) {
    int64_t start = row * columns;
    if (addend) {
        VECTORIZE
        for (int64_t i = start; i < start + count * columns; i++) store(sum, i, load(x, i, type) + load(addend, i, type), type);
        x = sum;
    }
    lanes sums[ROWS] = {0}, squares[ROWS] = {0};
    float m[ROWS], r[ROWS];
    FOR_LANES(columns, for (int k = 0; k < count; k++) {
        lanes v;
        load_lanes(&v, x, start + k * columns + i, width, type);
        ADD(sums[k], v);
    })
    for (int k = 0; k < count; k++) m[k] = total(&sums[k]) / (float)columns;
    FOR_LANES(columns, for (int k = 0; k < count; k++) {
        lanes v;
        load_lanes(&v, x, start + k * columns + i, width, type);
        v -= m[k];
        ADD(squares[k], v * v);
    })
    for (int k = 0; k < count; k++) {
        r[k] = 1.0f / sqrtf(total(&squares[k]) / (float)columns + epsilon);
        mean[row + k] = m[k];
        rstd[row + k] = r[k];
    }
    for (int k = 0; k < count; k++) {
        int64_t base = start + k * columns;
        if (scale)
            VECTORIZE
            for (int64_t i = 0; i < columns; i++)
                store(y, base + i, (load(x, base + i, type) - m[k]) * r[k] * scale[i] + offset[i], type);
        else
            VECTORIZE
            for (int64_t i = 0; i < columns; i++) {
                float v = (load(x, base + i, type) - m[k]) * r[k];
                // No -0, as with an offset of 0.
                store(y, base + i, v + 0.0f, type);
            }
    }
}

INLINE void layer_norm(
    const void *x, const void *addend, void *sum, const float *scale, const float *offset, void *y, float *mean, float *rstd, int64_t rows,
    int64_t columns, float epsilon, kernel_type type) {
    FOR_ROWS(rows, layer_norm_rows, x, addend, sum, scale, offset, y, mean, rstd, columns, epsilon, type);
}

KERNEL void kernel_layer_norm(
    const void *x, const void *addend, void *sum, const float *scale, const float *offset, void *y, float *mean, float *rstd, int64_t rows,
    int64_t columns, float epsilon, kernel_type type) {
    SPECIALIZE(type, layer_norm, x, addend, sum, scale, offset, y, mean, rstd, rows, columns, epsilon);
}

INLINE void layer_norm_gradient_rows(
    const void *x, const float *scale, const float *mean, const float *rstd, const void *dy, const void *addend, void *dx, float *dscale,
    float *doffset, int64_t columns, kernel_type type, int64_t row, int count) {
    int64_t start = row * columns;
    lanes sums[ROWS] = {0}, dots[ROWS] = {0};
    FOR_LANES(columns, for (int k = 0; k < count; k++) {
        lanes g, v, s;
        load_lanes(&g, dy, start + k * columns + i, width, type);
        load_lanes(&v, x, start + k * columns + i, width, type);
        v -= mean[row + k];
        if (scale) {
            load_lanes(&s, scale, i, width, KERNEL_FLOAT32);
            ADD(sums[k], g * s);
            ADD(dots[k], g * s * v);
        } else {
            ADD(sums[k], g);
            ADD(dots[k], g * v);
        }
    })
    if (dscale)
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) {
            float scale_sum = dscale[i], offset_sum = doffset[i];
            for (int k = 0; k < count; k++) {
                int64_t j = start + k * columns + i;
                scale_sum += load(dy, j, type) * (load(x, j, type) - mean[row + k]) * rstd[row + k];
                offset_sum += load(dy, j, type);
            }
            dscale[i] = scale_sum;
            doffset[i] = offset_sum;
        }
    for (int k = 0; k < count; k++) {
        int64_t base = start + k * columns;
        float m = mean[row + k], r = rstd[row + k], inverse = 1.0f / (float)columns;
        float level = total(&sums[k]) * inverse, slope = total(&dots[k]) * (r * r * inverse);
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) {
            // Rounded before the subtraction, as it was in the sum: what should cancel, cancels.
            float g = load(dy, base + i, type) * (scale ? scale[i] : 1.0f);
            float d = r * (g - level - (load(x, base + i, type) - m) * slope);
            if (addend) d = load(addend, base + i, type) + rounded(d, type);
            store(dx, base + i, d, type);
        }
    }
}

INLINE void layer_norm_gradient(
    const void *x, const float *scale, const float *mean, const float *rstd, const void *dy, const void *addend, void *dx, float *dscale,
    float *doffset, int64_t rows, int64_t columns, kernel_type type) {
    if (dscale) memset(dscale, 0, (size_t)columns * sizeof(float));
    if (doffset) memset(doffset, 0, (size_t)columns * sizeof(float));
    FOR_ROWS(rows, layer_norm_gradient_rows, x, scale, mean, rstd, dy, addend, dx, dscale, doffset, columns, type);
}

KERNEL void kernel_layer_norm_gradient(
    const void *x, const float *scale, const float *mean, const float *rstd, const void *dy, const void *addend, void *dx, float *dscale,
    float *doffset, int64_t rows, int64_t columns, kernel_type type) {
    SPECIALIZE(type, layer_norm_gradient, x, scale, mean, rstd, dy, addend, dx, dscale, doffset, rows, columns);
}
