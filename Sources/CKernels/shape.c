#include "shape.h"
#include "vector_math.h"

KERNEL void kernel_strided_copy(
    const void *x, void *y, int rank, const int64_t *lengths, const int64_t *x_strides, const int64_t *y_strides) {
    const int32_t *source = x;
    int32_t *target = y;
    if (rank == 0) {
        *target = *source;
        return;
    }
    int64_t n = lengths[rank - 1], rows = 1, x_step = x_strides[rank - 1], y_step = y_strides[rank - 1];
    for (int axis = 0; axis < rank - 1; axis++) rows *= lengths[axis];
    for (int64_t row = 0; row < rows; row++) {
        int64_t rest = row;
        const int32_t *from = source;
        int32_t *to = target;
        for (int axis = rank - 2; axis >= 0; axis--) {
            int64_t index = rest % lengths[axis];
            rest /= lengths[axis];
            from += index * x_strides[axis];
            to += index * y_strides[axis];
        }
        if (x_step == 1 && y_step == 1)
            memcpy(to, from, (size_t)n * 4);
        else
            for (int64_t i = 0; i < n; i++) to[i * y_step] = from[i * x_step];
    }
}

KERNEL void kernel_fill(float *y, int64_t n, float value) {
    for (int64_t i = 0; i < n; i++) y[i] = value;
}

KERNEL void kernel_gather(const float *table, const int32_t *indices, float *y, int64_t count, int64_t table_rows, int64_t columns) {
    for (int64_t i = 0; i < count; i++) {
        int64_t row = indices[i];
        if (row < 0 || row >= table_rows)
            for (int64_t c = 0; c < columns; c++) y[i * columns + c] = NAN;
        else
            memcpy(y + i * columns, table + row * columns, (size_t)columns * 4);
    }
}

KERNEL void kernel_scatter_add(
    const float *dy, const int32_t *indices, float *dtable, int64_t count, int64_t table_rows, int64_t columns) {
    memset(dtable, 0, (size_t)(table_rows * columns) * 4);
    for (int64_t i = 0; i < count; i++) {
        int64_t row = indices[i];
        if (row < 0 || row >= table_rows) continue;
        for (int64_t c = 0; c < columns; c++) dtable[row * columns + c] += dy[i * columns + c];
    }
}

INLINE int64_t mirrored(int64_t index, int64_t length) {
    if (index < 0) index = -index;
    return index < length ? index : 2 * (length - 1) - index;
}

KERNEL void kernel_reflect(const float *x, float *y, int64_t outer, int64_t length, int64_t inner, int64_t before, int64_t after) {
    int64_t padded = before + length + after;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < padded; i++)
            memcpy(y + (o * padded + i) * inner, x + (o * length + mirrored(i - before, length)) * inner, (size_t)inner * 4);
}

KERNEL void kernel_reflect_gradient(
    const float *dy, float *dx, int64_t outer, int64_t length, int64_t inner, int64_t before, int64_t after) {
    int64_t padded = before + length + after;
    memset(dx, 0, (size_t)(outer * length * inner) * 4);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < padded; i++) {
            const float *from = dy + (o * padded + i) * inner;
            float *to = dx + (o * length + mirrored(i - before, length)) * inner;
            for (int64_t c = 0; c < inner; c++) to[c] += from[c];
        }
}
