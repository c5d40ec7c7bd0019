// The scheme is that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), with one difference: x is read where it
// lies. So much of b as the second cache holds meets all rows of x, 14 of them at a time; meanwhile the next rows are fetched, and at the beginning of
// each tile of y the lines that it will be written to.
#include "include/linear.h"
#include "products.h"

enum { HEIGHT = 14, LANES = 16, PANEL = KERNEL_LINEAR_PANEL };

#ifdef LEVELS_OF_X86
#define WIDE TARGET_V4
#else
#define WIDE
#endif

/// Up to 14 rows of x and of y, and the panels of b for some columns of y, one tile of y for each.
typedef struct {
    const float *x, *b;
    float *y;
    /// NULL, or added to every row.
    const float *bias;
    int64_t inputs, outputs, tiles;
    /// The rows that are fetched during the first tile.
    const float *next;
} row_of_tiles;

/// `rows` is a constant of each caller.
INLINE void tile_product(const row_of_tiles *r, int64_t tile, int rows) {
    // Where there is no bias, -0 is added, which changes no number.
    line sums[HEIGHT][2], offsets[2] = {-(line){0}, -(line){0}};
    int64_t inputs = r->inputs, outputs = r->outputs;
    const float *b = r->b + tile * inputs * PANEL, *next = tile == 0 ? r->next : r->x;
    float *y = r->y + tile * PANEL;
    // Rows of x are reached from five pointers, for which there are registers. Their common origin is hidden from the compiler, which would find each
    // row's address from that of the row before.
    const float *groups[5];
#pragma clang loop unroll(full)
    for (int group = 0; group < 5; group++) {
        groups[group] = r->x + 3 * group * inputs;
        __asm__("" : "+r"(groups[group]));
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        __builtin_prefetch(y + i * outputs, 1);
        __builtin_prefetch(y + i * outputs + LANES, 1);
    }
    // Long sums are cut where oneDNN 2.6 cuts them: both give the same bits.
    int64_t most_terms = inputs > 1024 ? 1024 : 512;
    for (int64_t begin = 0; begin < inputs; begin += most_terms) {
        int64_t terms = inputs - begin < most_terms ? inputs - begin : most_terms;
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) sums[i][0] = sums[i][1] = (line){0};
#pragma clang loop unroll(disable)
        for (int64_t p = 0; p < terms; p++, b += PANEL, next += LANES) {
            line first = *(const line *)b, second = *(const line *)(b + LANES);
            __builtin_prefetch(next, 0, 2);
#pragma clang loop unroll(full)
            for (int i = 0; i < rows; i++) {
                float factor = groups[i / 3][i % 3 * inputs];
                sums[i][0] = factor * first + sums[i][0];
                sums[i][1] = factor * second + sums[i][1];
            }
#pragma clang loop unroll(full)
            for (int group = 0; group < 5; group++) groups[group]++;
        }
        if (begin + terms == inputs && r->bias)
            for (int v = 0; v < 2; v++) offsets[v] = *(const unaligned_line *)(r->bias + tile * PANEL + v * LANES);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
            for (int v = 0; v < 2; v++) {
                unaligned_line *target = (unaligned_line *)(y + i * outputs + v * LANES);
                *target = (begin > 0 ? *target + sums[i][v] : sums[i][v]) + offsets[v];
            }
    }
}

#define TILE_PRODUCTS(rows)                                                                                                            \
    WIDE static void tile_products_##rows(const row_of_tiles *r) {                                                                     \
        for (int64_t tile = 0; tile < r->tiles; tile++) tile_product(r, tile, rows);                                                   \
    }
TILE_PRODUCTS(1) TILE_PRODUCTS(2) TILE_PRODUCTS(3) TILE_PRODUCTS(4) TILE_PRODUCTS(5) TILE_PRODUCTS(6) TILE_PRODUCTS(7)
TILE_PRODUCTS(8) TILE_PRODUCTS(9) TILE_PRODUCTS(10) TILE_PRODUCTS(11) TILE_PRODUCTS(12) TILE_PRODUCTS(13) TILE_PRODUCTS(14)

static void (*const tile_products[HEIGHT])(const row_of_tiles *) = {
    tile_products_1, tile_products_2, tile_products_3,  tile_products_4,  tile_products_5,  tile_products_6,  tile_products_7,
    tile_products_8, tile_products_9, tile_products_10, tile_products_11, tile_products_12, tile_products_13, tile_products_14};

INLINE void write_line(float *target, const line *numbers, int passes_caches) {
    if (passes_caches)
        __builtin_nontemporal_store(*numbers, (line *)target);
    else
        *(line *)target = *numbers;
}

WIDE static void panels_of_rows(const float *matrix, float *panels, int64_t inputs, int64_t outputs, int passes_caches) {
    // 16 rows at a time from front to back: the processor fetches so many ahead, but not many more.
    for (int64_t output = 0; output < outputs; output += LANES) {
        float *target = panels + output / PANEL * PANEL * inputs + output % PANEL;
        for (int64_t input = 0; input < inputs; input += LANES) {
            line block[LANES];
#pragma clang loop unroll(full)
            for (int i = 0; i < LANES; i++) block[i] = *(const unaligned_line *)(matrix + (output + i) * inputs + input);
            TRANSPOSE_16(line, block);
#pragma clang loop unroll(full)
            for (int i = 0; i < LANES; i++) write_line(target + (input + i) * PANEL, &block[i], passes_caches);
        }
    }
}

WIDE static void panels_of_columns(const float *matrix, float *panels, int64_t inputs, int64_t outputs, int passes_caches) {
    for (int64_t input = 0; input < inputs; input++)
        for (int64_t output = 0; output < outputs; output += LANES) {
            line numbers = *(const unaligned_line *)(matrix + input * outputs + output);
            write_line(panels + (output / PANEL * inputs + input) * PANEL + output % PANEL, &numbers, passes_caches);
        }
}

void kernel_linear_panels(const float *matrix, int is_transposed, float *panels, int64_t inputs, int64_t outputs) {
    int passes_caches = inputs * outputs >= LARGE_ARRAY;
    (is_transposed ? panels_of_rows : panels_of_columns)(matrix, panels, inputs, outputs, passes_caches);
    if (passes_caches) wait_for_passing_stores();
}

int kernel_linear_is_fast(void) {
#ifdef LEVELS_OF_X86
    return __builtin_cpu_supports("x86-64-v4");
#else
    return 0;
#endif
}

void kernel_linear(const float *x, const float *b, const float *bias, float *y, int64_t rows, int64_t inputs, int64_t outputs) {
    enum { CACHED = 96 << 10 };
    row_panels panels = cut_rows(rows, HEIGHT);
    int64_t width = CACHED / inputs / PANEL * PANEL;
    if (width < PANEL) width = PANEL;
    for (int64_t begin = 0; begin < outputs; begin += width)
        for (int64_t panel = 0, row = 0; panel < panels.count; panel++) {
            int64_t height = panels.low + (panel < panels.higher), columns = outputs - begin < width ? outputs - begin : width;
            row_of_tiles r = {
                .x = x + row * inputs, .b = b + begin * inputs, .y = y + row * outputs + begin, .bias = bias ? bias + begin : NULL, .inputs = inputs,
                .outputs = outputs, .tiles = columns / PANEL, .next = panel + 1 < panels.count ? x + (row + height) * inputs : x};
            tile_products[height - 1](&r);
            row += height;
        }
}
