#include "elements.h"

KERNEL void kernel_widen(const uint16_t *x, float *y, int64_t n) { widen(x, y, n); }
KERNEL void kernel_narrow(const float *x, uint16_t *y, int64_t n) { narrow(x, y, n); }
