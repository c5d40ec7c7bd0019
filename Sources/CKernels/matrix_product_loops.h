// Matrix products for one level of registers; behind `product_loops.h`.

/// The rows of a that are packed at once: with their terms they fill half of a core's second cache.
INLINE int64_t LEVEL(block_rows)(int64_t m, int64_t depth) {
    int64_t most = BLOCK_COUNT / depth / HEIGHT * HEIGHT;
    if (most < HEIGHT) most = HEIGHT;
    return ceiling_quotient(m, ceiling_quotient(m, most));
}

static int64_t LEVEL(matrix_memory)(int64_t m, int64_t k, int64_t n) {
    int64_t depth = block_depth(k), rows = LEVEL(block_rows)(m, depth), columns = rows < m ? ceiling_quotient(n, PANEL) * PANEL : PANEL;
    return depth * columns + ceiling_quotient(rows * depth, 16) * 16 + 16;
}

TARGET static void LEVEL(matrix_product)(
    kernel_matrix a, kernel_matrix b, float *c, int64_t c_row, int64_t m, int64_t k, int64_t n, const float *bias, int adds, float *memory) {
    int64_t depth = block_depth(k), block = LEVEL(block_rows)(m, depth);
    // Where there are several blocks of rows, the whole of b's rows is packed with the first.
    int64_t columns = block < m ? ceiling_quotient(n, PANEL) * PANEL : PANEL;
    float *packed_b = memory, *packed_a = memory + depth * columns;
    for (int64_t p = 0; p < k; p += depth) {
        int64_t terms = k - p < depth ? k - p : depth;
        for (int64_t first = 0; first < m; first += block) {
            row_panels panels = cut_rows(m - first < block ? m - first : block, HEIGHT);
            const float *values = a.values + first * a.row + p * a.column;
            for (int64_t panel = 0, done = 0; panel < panels.count; panel++) {
                int64_t rows = panels.low + (panel < panels.higher);
                LEVEL(pack_a)((kernel_matrix){values + done * a.row, a.row, a.column}, rows, terms, packed_a + done * terms);
                done += rows;
            }
            for (int64_t j = 0; j < n; j += PANEL) {
                int64_t width = n - j < PANEL ? n - j : PANEL;
                float *panel_b = packed_b + (block < m ? j * depth : 0);
                if (first == 0) LEVEL(pack_b)((kernel_matrix){b.values + p * b.row + j * b.column, b.row, b.column}, terms, width, panel_b);
                product_target target = {c + first * c_row + j, c_row, width, p == 0 && bias ? bias + j : NULL, adds || p > 0};
                const float *panel_a = packed_a;
                for (int64_t panel = 0; panel < panels.count; panel++) {
                    int64_t rows = panels.low + (panel < panels.higher);
                    LEVEL(by_columns)[rows - 1][width > REGISTER](panel_a, rows, panel_b, terms, &target);
                    panel_a += rows * terms;
                    target.c += rows * c_row;
                }
            }
        }
    }
}
