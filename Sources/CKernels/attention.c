#include "elements.h"
#include "scores.h"

// Milakov and Gimelshein 2018 (softmax in one pass), Dao et al. 2022 (tiles, and the backward pass from the rows' log sums).

KERNEL void kernel_score_softmax(const kernel_scores *s, int64_t first, int64_t count, float *x, void *p) {
    int64_t columns = s->keys;
    for (int64_t row = 0; row < count * s->queries; row++, x += columns) {
        int64_t matrix = first + row / s->queries;
        score_row(s, x, matrix / s->heads, matrix % s->heads, row % s->queries, 0, columns);
        float top = row_max(x, columns), sum;
        row_exp(x, x, columns, 1.0f, top);
        LANE_SUM(columns, sum, x[j]);
        float inverse = 1.0f / sum;
        if (s->type == KERNEL_BFLOAT16) {
            uint16_t *y = (uint16_t *)p + row * columns;
            VECTORIZE
            for (int64_t i = 0; i < columns; i++) y[i] = narrowed(x[i] * inverse);
        } else {
            float *y = (float *)p + row * columns;
            VECTORIZE
            for (int64_t i = 0; i < columns; i++) y[i] = x[i] * inverse;
        }
    }
}

enum { COLUMNS = 256 };

INLINE void softmax_gradient(
    const kernel_scores *s, int64_t first, int64_t count, const void *p, const float *dp, void *dx, kernel_type type) {
    int64_t columns = s->keys;
    int keeps = has_sums(s);
    float scale = s->scale, g[COLUMNS];
    for (int64_t row = 0; row < count * s->queries; row++) {
        int64_t base = row * columns, matrix = first + row / s->queries;
        float dot;
        LANE_SUM(columns, dot, load(p, base + j, type) * dp[base + j]);
        for (int64_t start = 0; start < columns; start += COLUMNS) {
            int64_t width = columns - start < COLUMNS ? columns - start : COLUMNS, begin = base + start;
            VECTORIZE
            for (int64_t i = 0; i < width; i++) g[i] = load(p, begin + i, type) * (dp[begin + i] - dot);
            if (keeps) add_to_sums(s, g, matrix / s->heads, matrix % s->heads, row % s->queries, start, width);
            VECTORIZE
            for (int64_t i = 0; i < width; i++) store(dx, begin + i, scale * g[i], type);
        }
    }
}

KERNEL void kernel_score_softmax_gradient(
    const kernel_scores *s, int64_t first, int64_t count, const void *p, const float *dp, void *dx) {
    SPECIALIZE(s->type, softmax_gradient, s, first, count, p, dp, dx);
}

KERNEL void kernel_attention_start(float *maxima, float *sums, float *outputs, int64_t rows, int64_t width) {
    for (int64_t row = 0; row < rows; row++) maxima[row] = -INFINITY;
    memset(sums, 0, (size_t)rows * sizeof(float));
    memset(outputs, 0, (size_t)(rows * width) * sizeof(float));
}

KERNEL void kernel_attention_tile(
    const kernel_scores *s, kernel_score_tile tile, float *x, void *p, float *maxima, float *sums, float *outputs, int64_t width) {
    int64_t columns = tile.columns;
    for (int64_t row = 0; row < tile.rows; row++, x += columns, outputs += width) {
        score_row(s, x, tile.sample, tile.head, tile.query + row, tile.key, columns);
        float top = row_max(x, columns), before = maxima[row], sum;
        top = top > before ? top : before;
        // A row of which everything so far is masked by −infinity has no maximum, and probabilities of 0.
        float origin = top == -INFINITY ? 0.0f : top;
        row_exp(x, x, columns, 1.0f, origin);
        LANE_SUM(columns, sum, x[j]);
        if (top != before) {
            float factor = vector_exp(before - origin);
            VECTORIZE
            for (int64_t i = 0; i < width; i++) outputs[i] *= factor;
            sums[row] *= factor;
            maxima[row] = top;
        }
        sums[row] += sum;
        if (s->type == KERNEL_BFLOAT16)
            narrow(x, (uint16_t *)p + row * columns, columns);
        else if (p != (void *)(x - row * columns))
            memcpy((float *)p + row * columns, x, (size_t)columns * sizeof(float));
    }
}

INLINE void store_rows(const float *x, const float *divisors, void *y, int64_t rows, int64_t width, int64_t stride, kernel_type type) {
    for (int64_t row = 0; row < rows; row++, x += width) {
        float inverse = divisors ? 1.0f / divisors[row] : 1.0f;
        VECTORIZE
        for (int64_t i = 0; i < width; i++) store(y, row * stride + i, x[i] * inverse, type);
    }
}

KERNEL void kernel_attention_finish(
    const float *maxima, const float *sums, const float *outputs, void *y, float *log_sums, int64_t rows, int64_t width, int64_t stride,
    kernel_type type) {
    SPECIALIZE(type, store_rows, outputs, sums, y, rows, width, stride);
    for (int64_t row = 0; row < rows; row++) log_sums[row] = maxima[row] + vector_log(sums[row]);
}

KERNEL void kernel_attention_store(const float *x, void *y, int64_t rows, int64_t width, int64_t stride, kernel_type type) {
    SPECIALIZE(type, store_rows, x, NULL, y, rows, width, stride);
}

/// Rows of whole cache lines are copied line by line: they are so short that a call for each takes longer than its work.
INLINE void copy_rows(const char *x, char *y, int64_t rows, int64_t bytes, int64_t x_stride, int64_t y_stride) {
    enum { LINE = 64 };
    if (bytes % LINE == 0)
        for (int64_t row = 0; row < rows; row++)
            for (int64_t i = 0; i < bytes; i += LINE) memcpy(y + row * y_stride + i, x + row * x_stride + i, LINE);
    else
        for (int64_t row = 0; row < rows; row++) memcpy(y + row * y_stride, x + row * x_stride, (size_t)bytes);
}

KERNEL void kernel_attention_gather(const void *x, void *y, int64_t rows, int64_t width, int64_t stride, kernel_type type) {
    int64_t size = type == KERNEL_BFLOAT16 ? 2 : 4;
    copy_rows(x, y, rows, width * size, stride * size, width * size);
}

KERNEL void kernel_attention_scatter(const void *x, void *y, int64_t rows, int64_t width, int64_t stride, kernel_type type) {
    int64_t size = type == KERNEL_BFLOAT16 ? 2 : 4;
    copy_rows(x, y, rows, width * size, width * size, stride * size);
}

INLINE void row_products(const void *dy, const void *y, float *products, int64_t rows, int64_t width, int64_t stride, kernel_type type) {
    for (int64_t row = 0; row < rows; row++) LANE_SUM(width, products[row], load(dy, row * stride + j, type) * load(y, row * stride + j, type));
}

KERNEL void kernel_attention_products(
    const void *dy, const void *y, float *products, int64_t rows, int64_t width, int64_t stride, kernel_type type) {
    SPECIALIZE(type, row_products, dy, y, products, rows, width, stride);
}

INLINE void tile_gradient(
    const kernel_scores *s, kernel_score_tile tile, float *x, float *dp, void *p, void *dx, const float *log_sums, const float *products,
    kernel_type type) {
    int keeps = has_sums(s);
    int64_t columns = tile.columns;
    for (int64_t row = 0; row < tile.rows; row++, x += columns, dp += columns) {
        score_row(s, x, tile.sample, tile.head, tile.query + row, tile.key, columns);
        row_exp(x, x, columns, 1.0f, log_sums[row]);
        float product = products[row], scale = s->scale;
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) dp[i] = x[i] * (dp[i] - product);
        if (keeps) add_to_sums(s, dp, tile.sample, tile.head, tile.query + row, tile.key, columns);
        int64_t start = row * columns;
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) store(dx, start + i, scale * dp[i], type);
        VECTORIZE
        for (int64_t i = 0; i < columns; i++) store(p, start + i, x[i], type);
    }
}

KERNEL void kernel_attention_tile_gradient(
    const kernel_scores *s, kernel_score_tile tile, float *x, float *dp, void *p, void *dx, const float *log_sums, const float *products) {
    SPECIALIZE(s->type, tile_gradient, s, tile, x, dp, p, dx, log_sums, products);
}

KERNEL void kernel_attention_round(const double *sums, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = (float)sums[i];
}
