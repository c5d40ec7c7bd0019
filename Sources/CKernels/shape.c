#include "shape.h"
#include "elements.h"

#define STRIDED_COPY(element)                                                                                                          \
    const element *source = x;                                                                                                         \
    element *target = y;                                                                                                               \
    if (rank == 0) {                                                                                                                   \
        *target = *source;                                                                                                             \
        return;                                                                                                                        \
    }                                                                                                                                  \
    int64_t n = lengths[rank - 1], rows = 1, x_step = x_strides[rank - 1], y_step = y_strides[rank - 1];                               \
    for (int axis = 0; axis < rank - 1; axis++) rows *= lengths[axis];                                                                 \
    for (int64_t row = 0; row < rows; row++) {                                                                                         \
        int64_t rest = row;                                                                                                            \
        const element *read = source;                                                                                                  \
        element *write = target;                                                                                                       \
        for (int axis = rank - 2; axis >= 0; axis--) {                                                                                 \
            int64_t index = rest % lengths[axis];                                                                                      \
            rest /= lengths[axis];                                                                                                     \
            read += index * x_strides[axis];                                                                                           \
            write += index * y_strides[axis];                                                                                          \
        }                                                                                                                              \
        if (x_step == 1 && y_step == 1)                                                                                                \
            memcpy(write, read, (size_t)n * sizeof(element));                                                                          \
        else                                                                                                                           \
            for (int64_t i = 0; i < n; i++) write[i * y_step] = read[i * x_step];                                                      \
    }

KERNEL void kernel_strided_copy_16(
    const void *x, void *y, int rank, const int64_t *lengths, const int64_t *x_strides, const int64_t *y_strides) {
    STRIDED_COPY(uint16_t)
}

KERNEL void kernel_strided_copy_32(
    const void *x, void *y, int rank, const int64_t *lengths, const int64_t *x_strides, const int64_t *y_strides) {
    STRIDED_COPY(uint32_t)
}

KERNEL void kernel_fill(void *y, int64_t n, float value, kernel_type type) {
    for (int64_t i = 0; i < n; i++) store(y, i, value, type);
}

KERNEL void kernel_gather(
    const void *table, const int32_t *indices, void *y, int64_t count, int64_t table_rows, int64_t columns, kernel_type type) {
    for (int64_t i = 0; i < count; i++) {
        int64_t row = indices[i];
        for (int64_t c = 0; c < columns; c++)
            store(y, i * columns + c, row < 0 || row >= table_rows ? NAN : load(table, row * columns + c, type), type);
    }
}

KERNEL void kernel_scatter_add(
    const float *dy, const int32_t *indices, double *sums, float *dtable, int64_t count, int64_t table_rows, int64_t columns) {
    memset(sums, 0, (size_t)(table_rows * columns) * sizeof(double));
    for (int64_t i = 0; i < count; i++) {
        int64_t row = indices[i];
        if (row < 0 || row >= table_rows) continue;
        for (int64_t c = 0; c < columns; c++) sums[row * columns + c] += (double)dy[i * columns + c];
    }
    for (int64_t i = 0; i < table_rows * columns; i++) dtable[i] = (float)sums[i];
}

INLINE int64_t mirrored(int64_t index, int64_t length) {
    if (index < 0) index = -index;
    return index < length ? index : 2 * (length - 1) - index;
}

KERNEL void kernel_reflect(
    const void *x, void *y, int64_t outer, int64_t length, int64_t inner, int64_t before, int64_t after, kernel_type type) {
    int64_t padded = before + length + after;
    size_t bytes = (size_t)inner * (type == KERNEL_BFLOAT16 ? 2 : 4);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < padded; i++)
            memcpy((char *)y + (o * padded + i) * bytes, from(x, (o * length + mirrored(i - before, length)) * inner, type), bytes);
}

KERNEL void kernel_reflect_gradient(
    const float *dy, float *dx, int64_t outer, int64_t length, int64_t inner, int64_t before, int64_t after) {
    int64_t padded = before + length + after;
    memset(dx, 0, (size_t)(outer * length * inner) * 4);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < padded; i++) {
            const float *read = dy + (o * padded + i) * inner;
            float *write = dx + (o * length + mirrored(i - before, length)) * inner;
            for (int64_t c = 0; c < inner; c++) write[c] += read[c];
        }
}

INLINE void copy_windows(const char *x, char *y, kernel_windows_layout l, int64_t bytes, int joins) {
    for (int64_t image = 0; image < l.batch; image++)
        for (int64_t top = 0; top < l.height; top += l.window_height)
            for (int64_t left = 0; left < l.width; left += l.window_width)
                for (int64_t row = top; row < top + l.window_height; row++)
                    for (int64_t column = left; column < left + l.window_width; column++) {
                        int is_inside = row < l.height && column < l.width;
                        int64_t cell = (image * l.height + (row + l.shift_height) % l.height) * l.width + (column + l.shift_width) % l.width;
                        if (joins) {
                            if (is_inside) memcpy(y + cell * bytes, x, (size_t)bytes);
                            x += bytes;
                        } else {
                            if (is_inside)
                                memcpy(y, x + cell * bytes, (size_t)bytes);
                            else
                                memset(y, 0, (size_t)bytes);
                            y += bytes;
                        }
                    }
}

void kernel_map_to_windows(const void *x, void *y, kernel_windows_layout layout, int64_t bytes) { copy_windows(x, y, layout, bytes, 0); }
void kernel_windows_to_map(const void *x, void *y, kernel_windows_layout layout, int64_t bytes) { copy_windows(x, y, layout, bytes, 1); }
