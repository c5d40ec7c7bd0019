#pragma once
#include <stdint.h>

/// A convolution of images [batch, height, width, inputs] with 3×3 weights and stride 1 to [batch, out_height, out_width, outputs]; `top` rows
/// and `left` columns of zeros lie before the images. Channels are multiples of KERNEL_WINOGRAD_PANEL.
typedef struct {
    int64_t batch, height, width, inputs, out_height, out_width, outputs, top, left;
} kernel_winograd;

enum { KERNEL_WINOGRAD_PANEL = 32, KERNEL_WINOGRAD_TILE = 4, KERNEL_WINOGRAD_POINTS = 36 };

/// Weights as the products want them, u [outputs / 32, 36, inputs, 32]. Weight (o, i) lies at w[o * output_stride + i * input_stride], its nine
/// numbers one after another, taken from the last to the first if `rotates`.
void kernel_winograd_weights(
    const float *w, float *u, int64_t outputs, int64_t inputs, int64_t output_stride, int64_t input_stride, int rotates);

/// y = the convolution of x with the weights that u was made of, plus `bias` [outputs] unless it is NULL.
///
/// `memory`: kernel_winograd_memory floats of the caller's.
void kernel_winograd_convolution(kernel_winograd l, const float *x, const float *u, const float *bias, float *y, float *memory);
int64_t kernel_winograd_memory(kernel_winograd l);

/// The gradients with respect to the weights, dw [outputs / 32, inputs, 3, 3, 32], and to the bias, dbias [outputs] unless it is NULL.
///
/// `memory`: kernel_winograd_gradient_memory floats of the caller's.
void kernel_winograd_gradient(kernel_winograd l, const float *x, const float *dy, float *dw, float *dbias, float *memory);
int64_t kernel_winograd_gradient_memory(kernel_winograd l);
