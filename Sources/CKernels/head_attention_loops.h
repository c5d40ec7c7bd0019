// Attention of one head for one level of registers; behind `product_loops.h`.

/// b's panels, one behind the other.
INLINE int64_t LEVEL(panels_size)(int64_t k, int64_t n) { return k * ceiling_quotient(n, PANEL) * PANEL; }

/// c's columns from a panel of a's rows and all panels of b.
TARGET static void LEVEL(rows_product)(
    const product_function functions[][2], const float *a, int64_t step, const float *b, int64_t rows, int64_t k, int64_t n, float *c, int64_t c_row) {
    for (int64_t j = 0; j < n; j += PANEL, b += k * PANEL) {
        product_target target = {c + j, c_row, n - j < PANEL ? n - j : PANEL};
        functions[rows - 1][target.columns > REGISTER](a, step, b, k, &target);
    }
}

/// The same for scores: rows are long enough for whole registers.
TARGET static void LEVEL(score_product)(const float *a, const float *b, int64_t rows, int64_t k, int64_t n, float *scores) {
    for (int64_t j = 0; j < n; j += PANEL, b += k * PANEL) {
        int vectors = n - j > REGISTER;
        product_target target = {scores + j, SCORE_ROW, vectors ? PANEL : REGISTER};
        LEVEL(by_columns)[rows - 1][vectors](a, rows, b, k, &target);
    }
}

static int64_t LEVEL(head_memory)(const kernel_head *h) {
    int64_t forward = LEVEL(panels_size)(h->width, h->keys) + LEVEL(panels_size)(h->keys, h->value_width);
    int64_t backward = LEVEL(panels_size)(h->value_width, h->keys) + LEVEL(panels_size)(h->keys, h->width) + LEVEL(panels_size)(h->queries, h->width) +
                       LEVEL(panels_size)(h->queries, h->value_width) + h->queries * whole_parts(h->keys);
    int64_t most = h->width > h->value_width ? h->width : h->value_width;
    return (forward > backward ? forward : backward) + HEIGHT * SCORE_ROW + (HEIGHT * most + 16) + 64;
}

TARGET static void LEVEL(head_attention)(
    const kernel_scores *s, const kernel_head *h, const float *q, const float *k, const float *v, float *p, float *y, float *memory) {
    int64_t sample = h->sample, head = h->head, width = h->width, keys = h->keys;
    float *scores = memory, *packed_k = scores + HEIGHT * SCORE_ROW, *packed_v = packed_k + LEVEL(panels_size)(width, keys);
    float *rows_of_q = packed_v + LEVEL(panels_size)(keys, h->value_width);
    LEVEL(pack_b)((matrix){k, 1, h->k_row}, width, keys, packed_k);
    if (y) LEVEL(pack_b)((matrix){v, h->v_row, 1}, keys, h->value_width, packed_v);
    fetch_next_rows(s, h, q, h->queries, width, h->q_row);
    fetch_next_rows(s, h, k, keys, width, h->k_row);
    fetch_next_rows(s, h, v, keys, h->value_width, h->v_row);
    row_panels panels = cut_rows(h->queries, HEIGHT);
    for (int64_t panel = 0, query = 0; panel < panels.count; panel++) {
        int64_t rows = panels.low + (panel < panels.higher);
        fetch_target(p + (query + rows) * keys, HEIGHT * keys);
        LEVEL(pack_transposed)(q + query * h->q_row, h->q_row, rows, width, rows_of_q, rows);
        LEVEL(score_product)(rows_of_q, packed_k, rows, width, keys, scores);
        for (int64_t row = 0; row < rows; row++)
            if ((h->queries - query - row) * keys >= whole_parts(keys))
                probabilities_of_row(s, scores + row * SCORE_ROW, p + (query + row) * keys, sample, head, query + row, 0);
            else
                probabilities_of_row(s, scores + row * SCORE_ROW, p + (query + row) * keys, sample, head, query + row, 1);
        if (y) LEVEL(rows_product)(LEVEL(by_rows), scores, 1, packed_v, rows, keys, h->value_width, y + query * h->y_row, h->y_row);
        query += rows;
    }
}

TARGET static void LEVEL(head_gradient)(
    const kernel_scores *s, const kernel_head *h, const float *q, const float *k, const float *v, const float *p, const float *dy, float *dq,
    float *dk, float *dv, float *memory) {
    int64_t sample = h->sample, head = h->head, width = h->width, value_width = h->value_width, keys = h->keys, g_row = whole_parts(keys);
    float *scores = memory, *packed_v = scores + HEIGHT * SCORE_ROW, *packed_k = packed_v + LEVEL(panels_size)(value_width, keys);
    float *packed_q = packed_k + LEVEL(panels_size)(keys, width), *packed_dy = packed_q + LEVEL(panels_size)(h->queries, width);
    float *g = packed_dy + LEVEL(panels_size)(h->queries, value_width), *rows_of_dy = g + h->queries * g_row;
    LEVEL(pack_b)((matrix){v, 1, h->v_row}, value_width, keys, packed_v);
    LEVEL(pack_b)((matrix){k, h->k_row, 1}, keys, width, packed_k);
    LEVEL(pack_b)((matrix){q, h->q_row, 1}, h->queries, width, packed_q);
    LEVEL(pack_b)((matrix){dy, h->y_row, 1}, h->queries, value_width, packed_dy);
    fetch_next_rows(s, h, q, h->queries, width, h->q_row);
    fetch_next_rows(s, h, k, keys, width, h->k_row);
    fetch_next_rows(s, h, v, keys, value_width, h->v_row);
    fetch_next_rows(s, h, dy, h->queries, value_width, h->y_row);
    row_panels panels = cut_rows(h->queries, HEIGHT);
    for (int64_t panel = 0, query = 0; panel < panels.count; panel++) {
        int64_t rows = panels.low + (panel < panels.higher);
        LEVEL(pack_transposed)(dy + query * h->y_row, h->y_row, rows, value_width, rows_of_dy, rows);
        LEVEL(score_product)(rows_of_dy, packed_v, rows, value_width, keys, scores);
        for (int64_t row = 0; row < rows; row++) {
            const float *row_of_p = p + (query + row) * keys;
            float *row_of_g = g + (query + row) * g_row;
            if ((h->queries - query - row) * keys >= whole_parts(keys))
                gradient_of_row(s, row_of_p, scores + row * SCORE_ROW, row_of_g, sample, head, query + row, 0);
            else
                gradient_of_row(s, row_of_p, scores + row * SCORE_ROW, row_of_g, sample, head, query + row, 1);
        }
        LEVEL(rows_product)(LEVEL(by_rows), scores, 1, packed_k, rows, keys, width, dq + query * h->q_row, h->q_row);
        query += rows;
    }
    panels = cut_rows(keys, HEIGHT);
    for (int64_t panel = 0, key = 0; panel < panels.count; panel++) {
        int64_t rows = panels.low + (panel < panels.higher);
        LEVEL(rows_product)(LEVEL(by_columns), g + key, g_row, packed_q, rows, h->queries, width, dk + key * h->k_row, h->k_row);
        LEVEL(rows_product)(LEVEL(by_columns), p + key, keys, packed_dy, rows, h->queries, value_width, dv + key * h->v_row, h->v_row);
        key += rows;
    }
}
