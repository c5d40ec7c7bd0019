#pragma once
#include "bfloat16.h"

/// Functions of one number; `a` is the parameter of those that have one.
typedef enum {
    KERNEL_EXP, KERNEL_LOG, KERNEL_SQRT, KERNEL_SQUARE, KERNEL_ABS, KERNEL_RECIPROCAL, KERNEL_TANH, KERNEL_SIGMOID, KERNEL_RELU,
    KERNEL_LEAKY_RELU, KERNEL_RELU6, KERNEL_HARD_SWISH, KERNEL_SWISH, KERNEL_GELU, KERNEL_GELU_TANH, KERNEL_SOFTPLUS, KERNEL_POWER, KERNEL_ADD_SCALAR,
    KERNEL_MULTIPLY_SCALAR
} kernel_unary_op;

void kernel_unary(kernel_unary_op op, const void *x, void *y, int64_t n, float a, kernel_type type);
/// y = f(x) and slope = f'(x), which share most of their work, for swish and both GELUs. `slope` may be x.
void kernel_unary_with_slope(kernel_unary_op op, const void *x, void *y, void *slope, int64_t n, float a, kernel_type type);
/// dx = dy f'(·), from y for exp, sqrt, reciprocal, tanh, sigmoid and ReLU, from x for all others but swish and the GELUs.
void kernel_unary_gradient(
    kernel_unary_op op, const void *saved, const void *dy, void *dx, int64_t n, float a, kernel_type type);

typedef enum {
    KERNEL_ADD, KERNEL_SUBTRACT, KERNEL_MULTIPLY, KERNEL_DIVIDE, KERNEL_MAXIMUM, KERNEL_MINIMUM,
    /// 1 where equal, otherwise 0.
    KERNEL_EQUAL,
    /// 1 where a > b, ½ where equal, otherwise 0: the derivative of the maximum with respect to a.
    KERNEL_GREATER,
    /// a b, but 0 where a is 0, whatever b is there: what a maximum's gradient b is multiplied by.
    KERNEL_GATE
} kernel_binary_op;

/// z = a op b over `rank` axes; strides in elements, 0 along broadcast axes; z is dense. The last stride is 0 or 1. z is bfloat16 where a
/// or b is.
void kernel_binary(
    kernel_binary_op op, const void *a, const void *b, void *z, int rank, const int64_t *lengths, const int64_t *a_strides,
    const int64_t *b_strides, kernel_type a_type, kernel_type b_type, kernel_type z_type);
