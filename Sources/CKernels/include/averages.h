#pragma once
#include <stddef.h>

/// average += weight * (w - average), exactly w where the weight is 1: PyTorch's lerp.
void average_move(float *average, const float *w, ptrdiff_t n, float weight);
