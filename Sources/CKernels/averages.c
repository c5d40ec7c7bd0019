#include "averages.h"

#if defined(__x86_64__)
#define FOR_EVERY_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EVERY_CPU
#endif

FOR_EVERY_CPU
void average_move(float *restrict average, const float *restrict w, ptrdiff_t n, float weight) {
    // Each form is exact at its end: the average stays what it is at the weight 0, and becomes w at 1.
    if (weight < 0.5f) {
        for (ptrdiff_t i = 0; i < n; i++) average[i] += weight * (w[i] - average[i]);
    } else {
        float rest = 1 - weight;
        for (ptrdiff_t i = 0; i < n; i++) average[i] = w[i] - rest * (w[i] - average[i]);
    }
}
