// Softmax of attention's scores where numbers are added to them, and where they are made tile by tile.
#pragma once
#include "bfloat16.h"
#include <stdint.h>

enum { KERNEL_MOST_SCORE_BIASES = 2 };

/// What is added to scores: [groups, heads or 1, queries, keys], to sample b that of the group b mod `groups`. `sums` takes its gradient; NULL where
/// nobody asks for it.
typedef struct {
    const float *values;
    double *sums;
    int64_t groups, heads;
} kernel_score_bias;

/// Matrices [batch, heads, queries, keys] of scores: scale · x + biases, where x is the product of a query and a key. Probabilities and the
/// gradients of products are of `type`.
typedef struct {
    int64_t batch, heads, queries, keys;
    float scale;
    kernel_type type;
    int bias_count;
    kernel_score_bias biases[KERNEL_MOST_SCORE_BIASES];
} kernel_scores;

/// A part of one matrix: `rows` queries from `query` on, `columns` keys from `key` on.
typedef struct {
    int64_t sample, head, query, key, rows, columns;
} kernel_score_tile;

/// The softmax of the rows of `count` matrices from number `first` on, where x and p begin, of scores with a bias or two. x is overwritten; p may be x
/// where it is float32.
void kernel_score_softmax(const kernel_scores *scores, int64_t first, int64_t count, float *x, void *p);
/// dx = scale · g and the sums of the biases += g, with g = p ∘ (dp − ⟨dp, p⟩). dx may be dp where it is float32.
void kernel_score_softmax_gradient(const kernel_scores *scores, int64_t first, int64_t count, const void *p, const float *dp, void *dx);

/// Before the first tile of some rows: maxima −infinity, sums and outputs [rows, width] 0.
void kernel_attention_start(float *maxima, float *sums, float *outputs, int64_t rows, int64_t width);
/// The next tile of these rows: p = exp(score − maximum so far), whose products with the values are to be added to the outputs; sums and outputs of
/// the tiles before are scaled to the new maximum. x is overwritten; p may be x where it is float32.
void kernel_attention_tile(
    const kernel_scores *scores, kernel_score_tile tile, float *x, void *p, float *maxima, float *sums, float *outputs, int64_t width);
/// After the last tile: y = outputs / sums, in rows `stride` apart, and log Σ exp(score) of each row.
void kernel_attention_finish(
    const float *maxima, const float *sums, const float *outputs, void *y, float *log_sums, int64_t rows, int64_t width, int64_t stride,
    kernel_type type);

/// Rows `stride` apart to rows one behind the other.
void kernel_attention_gather(const void *x, void *y, int64_t rows, int64_t width, int64_t stride, kernel_type type);
/// The way back.
void kernel_attention_scatter(const void *x, void *y, int64_t rows, int64_t width, int64_t stride, kernel_type type);
/// ⟨dy, y⟩ of rows `stride` apart.
void kernel_attention_products(const void *dy, const void *y, float *products, int64_t rows, int64_t width, int64_t stride, kernel_type type);
/// A tile's probabilities p = exp(score − log sum), and dx = scale · g, the sums of the biases += g, with g = p ∘ (dp − product of the row). p may be x
/// and dx may be dp where they are float32.
void kernel_attention_tile_gradient(
    const kernel_scores *scores, kernel_score_tile tile, float *x, float *dp, void *p, void *dx, const float *log_sums,
    const float *products);
/// Rows of float32 to rows `stride` apart.
void kernel_attention_store(const float *x, void *y, int64_t rows, int64_t width, int64_t stride, kernel_type type);
/// Sums of many terms, rounded.
void kernel_attention_round(const double *sums, float *y, int64_t n);
