// The inner loops of matrix products, for registers of REGISTER floats of which there are enough for HEIGHT × 2 sums: included once for each level of
// x86-64, with LEVEL(name) to tell the names apart and TARGET for the functions' instruction set.
//
// The scheme is that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), and BLIS: panels of b that are two registers
// wide meet panels of a that are HEIGHT high, both packed so that they are read from the first number to the last.

#define PANEL (2 * REGISTER)

typedef float LEVEL(vector) __attribute__((vector_size(4 * REGISTER)));
/// The same, anywhere in memory.
typedef float LEVEL(unaligned) __attribute__((vector_size(4 * REGISTER), aligned(4)));

/// c [rows, columns] = a b, where a's element (i, p) lies at a[i * a_row + p * a_column] and b's panel is packed. `a_row`, `rows` and
/// `vectors`, the registers that a row of c takes, are constants of each caller.
INLINE void LEVEL(panel_product)(
    const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t k, const product_target *t, int rows, int vectors) {
    LEVEL(vector) sums[HEIGHT][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < 2; v++) sums[i][v] = (LEVEL(vector)){0};
#pragma clang loop unroll(disable)
    for (int64_t p = 0; p < k; p++, a += a_column, b += PANEL) {
        LEVEL(vector) first = *(const LEVEL(vector) *)b, second = *(const LEVEL(vector) *)(b + REGISTER);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            LEVEL(vector) factor = LEVEL(SPLAT)(a[i * a_row]);
            sums[i][0] = factor * first + sums[i][0];
            if (vectors == 2) sums[i][1] = factor * second + sums[i][1];
        }
    }
    if (t->columns == vectors * REGISTER) {
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) *(LEVEL(unaligned) *)(t->c + i * t->row + REGISTER * v) = sums[i][v];
    } else {
        float tile[HEIGHT][PANEL];
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) *(LEVEL(unaligned) *)(tile[i] + REGISTER * v) = sums[i][v];
        for (int i = 0; i < rows; i++) memcpy(t->c + i * t->row, tile[i], (size_t)t->columns * sizeof(float));
    }
}

/// A function for a number of rows of panels whose columns lie one behind the other, and one for panels whose rows lie SCORE_ROW apart.
#define PANEL_PRODUCT(rows)                                                                                                            \
    TARGET static void LEVEL(columns_##rows##_1)(const float *a, int64_t step, const float *b, int64_t k, const product_target *t) {   \
        LEVEL(panel_product)(a, 1, step, b, k, t, rows, 1);                                                                            \
    }                                                                                                                                  \
    TARGET static void LEVEL(columns_##rows##_2)(const float *a, int64_t step, const float *b, int64_t k, const product_target *t) {   \
        LEVEL(panel_product)(a, 1, step, b, k, t, rows, 2);                                                                            \
    }                                                                                                                                  \
    TARGET static void LEVEL(rows_##rows##_1)(const float *a, int64_t step, const float *b, int64_t k, const product_target *t) {      \
        LEVEL(panel_product)(a, SCORE_ROW, 1, b, k, t, rows, 1);                                                                       \
    }                                                                                                                                  \
    TARGET static void LEVEL(rows_##rows##_2)(const float *a, int64_t step, const float *b, int64_t k, const product_target *t) {      \
        LEVEL(panel_product)(a, SCORE_ROW, 1, b, k, t, rows, 2);                                                                       \
    }
PANEL_PRODUCT(1) PANEL_PRODUCT(2) PANEL_PRODUCT(3) PANEL_PRODUCT(4) PANEL_PRODUCT(5) PANEL_PRODUCT(6)
#if HEIGHT == 14
PANEL_PRODUCT(7) PANEL_PRODUCT(8) PANEL_PRODUCT(9) PANEL_PRODUCT(10) PANEL_PRODUCT(11) PANEL_PRODUCT(12) PANEL_PRODUCT(13) PANEL_PRODUCT(14)
#define PANEL_PRODUCTS(kind)                                                                                                           \
    {PANEL_PAIR(kind, 1), PANEL_PAIR(kind, 2), PANEL_PAIR(kind, 3), PANEL_PAIR(kind, 4), PANEL_PAIR(kind, 5), PANEL_PAIR(kind, 6),     \
     PANEL_PAIR(kind, 7), PANEL_PAIR(kind, 8), PANEL_PAIR(kind, 9), PANEL_PAIR(kind, 10), PANEL_PAIR(kind, 11), PANEL_PAIR(kind, 12),  \
     PANEL_PAIR(kind, 13), PANEL_PAIR(kind, 14)}
#else
#define PANEL_PRODUCTS(kind)                                                                                                           \
    {PANEL_PAIR(kind, 1), PANEL_PAIR(kind, 2), PANEL_PAIR(kind, 3), PANEL_PAIR(kind, 4), PANEL_PAIR(kind, 5), PANEL_PAIR(kind, 6)}
#endif
#define PANEL_PAIR(kind, rows) {LEVEL(kind##_##rows##_1), LEVEL(kind##_##rows##_2)}

static const product_function LEVEL(by_columns)[HEIGHT][2] = PANEL_PRODUCTS(columns);
static const product_function LEVEL(by_rows)[HEIGHT][2] = PANEL_PRODUCTS(rows);

/// x, `rows` ≤ `width` rows `stride` apart, to y [k][width]; what has no row is whatever. Of panels less wide than a register up to 15 numbers behind
/// y are overwritten.
TARGET static void LEVEL(pack_transposed)(const float *x, int64_t stride, int64_t rows, int64_t k, float *y, int64_t width) {
    int64_t whole = 0;
#if REGISTER == 16
    whole = k / 16 * 16;
    for (int64_t first = 0; first < rows; first += 16) {
        const float *sources[16];
        for (int i = 0; i < 16; i++) sources[i] = x + (first + i < rows ? first + i : rows - 1) * stride;
        for (int64_t p = 0; p < whole; p += 16) {
            LEVEL(vector) block[16];
#pragma clang loop unroll(full)
            for (int i = 0; i < 16; i++) block[i] = *(const LEVEL(unaligned) *)(sources[i] + p);
            TRANSPOSE_16(LEVEL(vector), block);
#pragma clang loop unroll(full)
            for (int i = 0; i < 16; i++) *(LEVEL(unaligned) *)(y + (p + i) * width + first) = block[i];
        }
    }
#endif
    for (int64_t p = whole; p < k; p++)
        for (int64_t i = 0; i < rows; i++) y[p * width + i] = x[i * stride + p];
}

/// Element (p, j) of b to y [k][PANEL] of panels, each behind the one before it.
TARGET static void LEVEL(pack_b)(matrix b, int64_t k, int64_t n, float *y) {
    for (int64_t j = 0; j < n; j += PANEL, y += k * PANEL) {
        int64_t columns = n - j < PANEL ? n - j : PANEL;
        const float *x = b.values + j * b.column;
        if (b.column != 1) {
            LEVEL(pack_transposed)(x, b.column, columns, k, y, PANEL);
        } else if (columns == PANEL) {
            for (int64_t p = 0; p < k; p++)
                for (int v = 0; v < 2; v++) *(LEVEL(vector) *)(y + p * PANEL + REGISTER * v) = *(const LEVEL(unaligned) *)(x + p * b.row + REGISTER * v);
        } else {
            for (int64_t p = 0; p < k; p++) memcpy(y + p * PANEL, x + p * b.row, (size_t)columns * sizeof(float));
        }
    }
}
