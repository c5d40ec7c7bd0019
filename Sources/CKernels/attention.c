#include "elements.h"
#include "scores.h"

// Milakov and Gimelshein 2018 (softmax in one pass), Dao et al. 2022 (tiles, and the backward pass from the rows' log sums).

/// The softmax of rows of one matrix, to whose scores a is added, and b where there are two biases.
INLINE void score_softmax_rows(
    float *x, void *y, const float *a, const float *b, int biases, int64_t columns, float scale, kernel_type type, int64_t row, int count) {
    int64_t start = row * columns;
    float last[ROWS][LANES];
    for (int k = 0; k < count; k++) {
        int64_t base = start + k * columns;
        lanes end = {0};
        if (columns % LANES) load_part(&end, x + base, columns - LANES, KERNEL_FLOAT32);
        FOR_PARTS(columns, {
            lanes v = end, addend;
            if (whole) load_part(&v, x + base, i, KERNEL_FLOAT32);
            load_part(&addend, a + base, i, KERNEL_FLOAT32);
            v = scale * v + addend;
            if (biases > 1) {
                load_part(&addend, b + base, i, KERNEL_FLOAT32);
                v += addend;
            }
            memcpy(whole ? x + base + i : last[k], &v, sizeof v);
        })
    }
    softmax_parts(x + start, last, (void *)from(y, start, type), columns, 1.0f, type, count);
}

INLINE void score_softmax(const kernel_scores *s, int64_t first, int64_t count, float *x, void *y, int biases, kernel_type type) {
    int64_t columns = s->keys, size = s->queries * columns;
    float scale = s->scale;
    for (int64_t matrix = first; matrix < first + count; matrix++, x += size, y = (void *)from(y, size, type)) {
        int64_t sample = matrix / s->heads, head = matrix % s->heads;
        const float *a = s->biases[0].values + bias_row(s, &s->biases[0], sample, head, 0);
        const float *b = biases > 1 ? s->biases[1].values + bias_row(s, &s->biases[1], sample, head, 0) : NULL;
        FOR_ROWS(0, s->queries, score_softmax_rows, x, y, a, b, biases, columns, scale, type);
    }
}

KERNEL void kernel_score_softmax(const kernel_scores *s, int64_t first, int64_t count, float *x, void *p) {
    if (s->bias_count == 1) {
        SPECIALIZE(s->type, score_softmax, s, first, count, x, p, 1);
    } else {
        SPECIALIZE(s->type, score_softmax, s, first, count, x, p, 2);
    }
}

enum { COLUMNS = 256 };

INLINE void softmax_gradient_rows(
    const kernel_scores *s, double *const *sums, const void *p, const float *dp, void *dx, kernel_type type, int64_t row, int count) {
    int64_t columns = s->keys;
    float scale = s->scale, dot[ROWS], g[COLUMNS];
    for (int k = 0; k < count; k++) dot[k] = row_dot(from(p, (row + k) * columns, type), dp + (row + k) * columns, columns, type);
    for (int k = 0; k < count; k++)
        for (int64_t start = 0; start < columns; start += COLUMNS) {
            int64_t width = columns - start < COLUMNS ? columns - start : COLUMNS, begin = (row + k) * columns + start;
            VECTORIZE
            for (int64_t i = 0; i < width; i++) g[i] = load(p, begin + i, type) * (dp[begin + i] - dot[k]);
            for (int bias = 0; bias < s->bias_count; bias++) {
                double *sum = sums[bias] + begin;
                if (!sums[bias]) continue;
                VECTORIZE
                for (int64_t i = 0; i < width; i++) sum[i] += (double)g[i];
            }
            VECTORIZE
            for (int64_t i = 0; i < width; i++) store(dx, begin + i, scale * g[i], type);
        }
}

INLINE void softmax_gradient(
    const kernel_scores *s, int64_t first, int64_t count, const void *p, const float *dp, void *dx, kernel_type type) {
    int64_t size = s->queries * s->keys;
    for (int64_t matrix = first; matrix < first + count; matrix++) {
        int64_t sample = matrix / s->heads, head = matrix % s->heads;
        double *sums[KERNEL_MOST_SCORE_BIASES];
        for (int k = 0; k < s->bias_count; k++)
            sums[k] = s->biases[k].sums ? s->biases[k].sums + bias_row(s, &s->biases[k], sample, head, 0) : NULL;
        FOR_ROWS(0, s->queries, softmax_gradient_rows, s, sums, p, dp, dx, type);
        p = from(p, size, type);
        dx = (void *)from(dx, size, type);
        dp += size;
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
