#include "include/panels.h"
#include "products.h"

enum { LANES = 16 };

INLINE void write_line(float *target, const line *numbers, int passes_caches) {
    if (passes_caches)
        __builtin_nontemporal_store(*numbers, (line *)target);
    else
        *(line *)target = *numbers;
}

INLINE void kernel_row_panels_loops(const float *x, float *y, int64_t rows, int64_t columns, int64_t width, int is_wide) {
    (void)is_wide;
    int passes_caches = rows * columns >= LARGE_ARRAY;
    // 16 rows at a time from front to back: the processor fetches so many ahead, but not many more.
    for (int64_t row = 0; row < rows; row += LANES) {
        float *target = y + row / width * width * columns + row % width;
        for (int64_t column = 0; column < columns; column += LANES) {
            line block[LANES];
#pragma clang loop unroll(full)
            for (int i = 0; i < LANES; i++) block[i] = *(const unaligned_line *)(x + (row + i) * columns + column);
            TRANSPOSE_16(line, block);
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
            line numbers = *(const unaligned_line *)(x + row * columns + column);
            write_line(y + (column / width * rows + row) * width + column % width, &numbers, passes_caches);
        }
    if (passes_caches) wait_for_passing_stores();
}

FOR_EVERY_LEVEL(kernel_column_panels, (const float *x, float *y, int64_t rows, int64_t columns, int64_t width), x, y, rows, columns, width)
