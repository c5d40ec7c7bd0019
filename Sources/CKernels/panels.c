#include "include/panels.h"
#include "products.h"

enum { LANES = 16 };

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef float unaligned __attribute__((vector_size(4 * LANES), aligned(4)));

INLINE void write_line(float *target, const vector *line, int passes_caches) {
    if (passes_caches)
        __builtin_nontemporal_store(*line, (vector *)target);
    else
        *(vector *)target = *line;
}

INLINE void kernel_row_panels_loops(const float *x, float *y, int64_t rows, int64_t columns, int64_t width, int is_wide) {
    (void)is_wide;
    int passes_caches = rows * columns >= LARGE_ARRAY;
    // 16 rows at a time from front to back: the processor fetches so many ahead, but not many more.
    for (int64_t row = 0; row < rows; row += LANES) {
        float *target = y + row / width * width * columns + row % width;
        for (int64_t column = 0; column < columns; column += LANES) {
            vector block[LANES];
#pragma clang loop unroll(full)
            for (int i = 0; i < LANES; i++) block[i] = *(const unaligned *)(x + (row + i) * columns + column);
            TRANSPOSE_16(vector, block);
#pragma clang loop unroll(full)
            for (int i = 0; i < LANES; i++) write_line(target + (column + i) * width, &block[i], passes_caches);
        }
    }
    if (passes_caches) wait_for_passing_stores();
}

FOR_EVERY_LEVEL(kernel_row_panels, (const float *x, float *y, int64_t rows, int64_t columns, int64_t width), x, y, rows, columns, width)

INLINE void kernel_column_panels_loops(const float *x, float *y, int64_t rows, int64_t columns, int64_t width, int is_wide) {
    (void)is_wide;
    int passes_caches = rows * columns >= LARGE_ARRAY;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < columns; column += LANES) {
            vector line = *(const unaligned *)(x + row * columns + column);
            write_line(y + (column / width * rows + row) * width + column % width, &line, passes_caches);
        }
    if (passes_caches) wait_for_passing_stores();
}

FOR_EVERY_LEVEL(kernel_column_panels, (const float *x, float *y, int64_t rows, int64_t columns, int64_t width), x, y, rows, columns, width)
