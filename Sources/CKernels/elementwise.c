#include "elementwise.h"
#include "elements.h"

#define MAP(expression)                                                                                                                \
    VECTORIZE_CHAINS                                                                                                                   \
    for (int64_t i = 0; i < n; i++) {                                                                                                  \
        float v = x[i];                                                                                                                \
        y[i] = (expression);                                                                                                           \
    }                                                                                                                                  \
    break

#define INVERSE_SQRT_TAU 0.398942280f
#define SQRT_TWO_OVER_PI 0.797884561f

INLINE void unary(kernel_unary_op op, const float *x, float *y, int64_t n, float a) {
    switch (op) {
    case KERNEL_EXP: MAP(vector_exp(v));
    case KERNEL_LOG: MAP(vector_log(v));
    case KERNEL_SQRT: MAP(sqrtf(v));
    case KERNEL_SQUARE: MAP(v * v);
    case KERNEL_ABS: MAP(fabsf(v));
    case KERNEL_RECIPROCAL: MAP(1.0f / v);
    case KERNEL_TANH: MAP(vector_tanh(v));
    case KERNEL_SIGMOID: MAP(vector_sigmoid(v));
    // A NaN stays a NaN, so that a guard can find it.
    case KERNEL_RELU: MAP(v < 0.0f ? 0.0f : v);
    case KERNEL_LEAKY_RELU: MAP(v < 0.0f ? a * v : v);
    case KERNEL_RELU6: MAP(v < 0.0f ? 0.0f : v > 6.0f ? 6.0f : v);
    case KERNEL_HARD_SWISH: MAP(v <= -3.0f ? 0.0f : v >= 3.0f ? v : v * (v + 3.0f) / 6.0f);
    case KERNEL_SWISH: MAP(v * vector_sigmoid(a * v));
    case KERNEL_GELU:
        VECTORIZE_CHAINS
        for (int64_t i = 0; i < n; i++) {
            float v = x[i], bell;
            y[i] = v * vector_normal(v, &bell);
        }
        break;
    case KERNEL_GELU_TANH: MAP(0.5f * v * (1.0f + vector_tanh(SQRT_TWO_OVER_PI * (v + 0.044715f * v * v * v))));
    case KERNEL_SOFTPLUS: MAP((v < 0.0f ? 0.0f : v) + vector_log1p(vector_exp(-fabsf(v))));
    case KERNEL_POWER:
        for (int64_t i = 0; i < n; i++) y[i] = powf(x[i], a);
        break;
    case KERNEL_ADD_SCALAR: MAP(v + a);
    case KERNEL_MULTIPLY_SCALAR: MAP(v * a);
    }
}

/// bfloat16 goes through float32 in pieces that stay in the nearest cache.
enum { PIECE = 1024 };

INLINE const float *floats(const void *x, int64_t start, int64_t count, float *buffer, kernel_type type) {
    if (type == KERNEL_FLOAT32) return (const float *)x + start;
    widen((const uint16_t *)x + start, buffer, count);
    return buffer;
}

KERNEL void kernel_unary(kernel_unary_op op, const void *x, void *y, int64_t n, float a, kernel_type type) {
    float buffer[PIECE];
    int64_t piece = type == KERNEL_FLOAT32 ? n : PIECE;
    for (int64_t start = 0; start < n; start += piece) {
        int64_t count = n - start < piece ? n - start : piece;
        float *target = type == KERNEL_FLOAT32 ? (float *)y : buffer;
        unary(op, floats(x, start, count, buffer, type), target, count, a);
        if (type == KERNEL_BFLOAT16) narrow(buffer, (uint16_t *)y + start, count);
    }
}

#define MAP_GRADIENT(expression)                                                                                                       \
    VECTORIZE_CHAINS                                                                                                                   \
    for (int64_t i = 0; i < n; i++) {                                                                                                  \
        float v = saved[i], g = dy[i];                                                                                                 \
        dx[i] = (expression);                                                                                                          \
    }                                                                                                                                  \
    break

INLINE void unary_gradient(kernel_unary_op op, const float *saved, const float *dy, float *dx, int64_t n, float a) {
    switch (op) {
    case KERNEL_EXP: MAP_GRADIENT(g * v);
    case KERNEL_LOG: MAP_GRADIENT(g / v);
    case KERNEL_SQRT: MAP_GRADIENT(0.5f * g / v);
    case KERNEL_SQUARE: MAP_GRADIENT(2.0f * g * v);
    case KERNEL_ABS: MAP_GRADIENT(v > 0.0f ? g : v < 0.0f ? -g : 0.0f);
    case KERNEL_RECIPROCAL: MAP_GRADIENT(-g * v * v);
    case KERNEL_TANH: MAP_GRADIENT(g * (1.0f - v * v));
    case KERNEL_SIGMOID: MAP_GRADIENT(g * v * (1.0f - v));
    case KERNEL_RELU: MAP_GRADIENT(v <= 0.0f ? 0.0f : g);
    case KERNEL_LEAKY_RELU: MAP_GRADIENT(v > 0.0f ? g : a * g);
    case KERNEL_RELU6: MAP_GRADIENT(v <= 0.0f || v >= 6.0f ? 0.0f : g);
    case KERNEL_HARD_SWISH: MAP_GRADIENT(v <= -3.0f ? 0.0f : v >= 3.0f ? g : g * (v / 3.0f + 0.5f));
    // Made by `unary_with_slope`.
    case KERNEL_SWISH:
    case KERNEL_GELU:
    case KERNEL_GELU_TANH: break;
    case KERNEL_SOFTPLUS: MAP_GRADIENT(g * vector_sigmoid(v));
    case KERNEL_POWER:
        // A constant has no slope, not even at 0.
        for (int64_t i = 0; i < n; i++) dx[i] = a == 0.0f ? 0.0f : dy[i] * a * powf(saved[i], a - 1.0f);
        break;
    case KERNEL_ADD_SCALAR: memcpy(dx, dy, (size_t)n * sizeof(float)); break;
    case KERNEL_MULTIPLY_SCALAR:
        VECTORIZE_CHAINS
        for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * a;
        break;
    }
}

KERNEL void kernel_unary_gradient(
    kernel_unary_op op, const void *saved, const void *dy, void *dx, int64_t n, float a, kernel_type type) {
    float saved_buffer[PIECE], buffer[PIECE];
    int64_t piece = type == KERNEL_FLOAT32 ? n : PIECE;
    for (int64_t start = 0; start < n; start += piece) {
        int64_t count = n - start < piece ? n - start : piece;
        float *target = type == KERNEL_FLOAT32 ? (float *)dx : buffer;
        unary_gradient(
            op, floats(saved, start, count, saved_buffer, type), floats(dy, start, count, buffer, type), target, count, a);
        if (type == KERNEL_BFLOAT16) narrow(buffer, (uint16_t *)dx + start, count);
    }
}

#define MAP_SLOPE(statements, value, derivative)                                                                                       \
    VECTORIZE_CHAINS                                                                                                                   \
    for (int64_t i = 0; i < n; i++) {                                                                                                  \
        float v = x[i];                                                                                                                \
        statements;                                                                                                                    \
        y[i] = (value);                                                                                                                \
        slope[i] = (derivative);                                                                                                       \
    }                                                                                                                                  \
    break

INLINE void unary_with_slope(kernel_unary_op op, const float *x, float *y, float *slope, int64_t n, float a) {
    switch (op) {
    case KERNEL_SWISH: MAP_SLOPE(float s = vector_sigmoid(a * v), v * s, s + a * v * s * (1.0f - s));
    case KERNEL_GELU:
        MAP_SLOPE(float bell; float cumulative = vector_normal(v, &bell), v * cumulative, cumulative + v * (INVERSE_SQRT_TAU * bell));
    case KERNEL_GELU_TANH:
        MAP_SLOPE(float t = vector_tanh(SQRT_TWO_OVER_PI * (v + 0.044715f * v * v * v));
                  float inner = SQRT_TWO_OVER_PI * (1.0f + 3.0f * 0.044715f * v * v), 0.5f * v * (1.0f + t),
                  0.5f * (1.0f + t) + 0.5f * v * (1.0f - t * t) * inner);
    default: break;
    }
}

KERNEL void kernel_unary_with_slope(kernel_unary_op op, const void *x, void *y, void *slope, int64_t n, float a, kernel_type type) {
    float x_buffer[PIECE], y_buffer[PIECE];
    if (type == KERNEL_FLOAT32) return unary_with_slope(op, x, y, slope, n, a);
    for (int64_t start = 0; start < n; start += PIECE) {
        int64_t count = n - start < PIECE ? n - start : PIECE;
        widen((const uint16_t *)x + start, x_buffer, count);
        unary_with_slope(op, x_buffer, y_buffer, x_buffer, count, a);
        narrow(y_buffer, (uint16_t *)y + start, count);
        narrow(x_buffer, (uint16_t *)slope + start, count);
    }
}

#define ROW(expression)                                                                                                                \
    if (a_step && b_step) {                                                                                                            \
        VECTORIZE                                                                                                                      \
        for (int64_t i = 0; i < n; i++) { float p = a[i], q = b[i]; z[i] = (expression); }                                             \
    } else if (a_step) {                                                                                                               \
        float q = *b;                                                                                                                  \
        VECTORIZE                                                                                                                      \
        for (int64_t i = 0; i < n; i++) { float p = a[i]; z[i] = (expression); }                                                       \
    } else if (b_step) {                                                                                                               \
        float p = *a;                                                                                                                  \
        VECTORIZE                                                                                                                      \
        for (int64_t i = 0; i < n; i++) { float q = b[i]; z[i] = (expression); }                                                       \
    } else {                                                                                                                           \
        float p = *a, q = *b;                                                                                                          \
        VECTORIZE                                                                                                                      \
        for (int64_t i = 0; i < n; i++) z[i] = (expression);                                                                           \
    }                                                                                                                                  \
    break

INLINE void binary_row(kernel_binary_op op, const float *a, const float *b, float *z, int64_t n, int64_t a_step, int64_t b_step) {
    switch (op) {
    case KERNEL_ADD: ROW(p + q);
    case KERNEL_SUBTRACT: ROW(p - q);
    case KERNEL_MULTIPLY: ROW(p * q);
    case KERNEL_DIVIDE: ROW(p / q);
    // NaNs stay NaNs.
    case KERNEL_MAXIMUM: ROW(p > q || p != p ? p : q);
    case KERNEL_MINIMUM: ROW(p < q || p != p ? p : q);
    case KERNEL_EQUAL: ROW(p == q ? 1.0f : 0.0f);
    case KERNEL_GREATER: ROW(p > q ? 1.0f : p == q ? 0.5f : 0.0f);
    case KERNEL_GATE: ROW(p == 0.0f ? 0.0f : p * q);
    }
}

KERNEL void kernel_binary(
    kernel_binary_op op, const void *a, const void *b, void *z, int rank, const int64_t *lengths, const int64_t *a_strides,
    const int64_t *b_strides, kernel_type a_type, kernel_type b_type, kernel_type z_type) {
    float a_buffer[PIECE], b_buffer[PIECE], z_buffer[PIECE];
    int64_t n = rank > 0 ? lengths[rank - 1] : 1, rows = 1;
    int64_t a_step = rank > 0 ? a_strides[rank - 1] : 0, b_step = rank > 0 ? b_strides[rank - 1] : 0;
    int64_t piece = z_type == KERNEL_FLOAT32 ? n : PIECE;
    for (int axis = 0; axis < rank - 1; axis++) rows *= lengths[axis];
    for (int64_t row = 0; row < rows; row++) {
        int64_t rest = row, a_offset = 0, b_offset = 0;
        for (int axis = rank - 2; axis >= 0; axis--) {
            int64_t index = rest % lengths[axis];
            rest /= lengths[axis];
            a_offset += index * a_strides[axis];
            b_offset += index * b_strides[axis];
        }
        for (int64_t start = 0; start < n; start += piece) {
            int64_t count = n - start < piece ? n - start : piece;
            const float *p = floats(a, a_offset + start * a_step, a_step ? count : 1, a_buffer, a_type);
            const float *q = floats(b, b_offset + start * b_step, b_step ? count : 1, b_buffer, b_type);
            binary_row(op, p, q, z_type == KERNEL_FLOAT32 ? (float *)z + row * n : z_buffer, count, a_step, b_step);
            if (z_type == KERNEL_BFLOAT16) narrow(z_buffer, (uint16_t *)z + row * n + start, count);
        }
    }
}
