// What batch and group normalization do to the numbers of a channel.
#pragma once
#include "elements.h"

enum { CHANNELS = 512 };

/// What a channel's numbers go through: y = (x - center) factor + shift. The mean is center + rest: the nearest float32, from which a
/// neighbouring x differs by what float32 holds exactly, and a rest that the shift takes in.
typedef struct {
    float center[CHANNELS], factor[CHANNELS], shift[CHANNELS];
    double rest[CHANNELS];
} channel_terms;

INLINE void make_terms(
    channel_terms *terms, const double *mean, const float *rstd, const float *scale, const float *offset, int64_t width) {
    for (int64_t c = 0; c < width; c++) {
        terms->center[c] = (float)mean[c];
        terms->factor[c] = rstd[c] * scale[c];
        terms->rest[c] = mean[c] - (double)terms->center[c];
        terms->shift[c] = (float)((double)offset[c] - terms->rest[c] * (double)terms->factor[c]);
    }
}

/// One expression for the forward pass and for the mask of its ReLU: both meet the same bits.
INLINE float normalized(float x, float center, float factor, float shift) { return (x - center) * factor + shift; }

/// The gradient behind a norm's ReLU: a closed one stops infinities and NaNs too. Bits that are cleared, for a choice between dy and 0
/// is compiled to a load under a mask with AVX-512.
INLINE float masked(float v, float dy, float center, float factor, float shift, int relu) {
    if (!relu) return dy;
    int32_t closed = -(int32_t)(normalized(v, center, factor, shift) <= 0.0f);
    return float_from_bits(bits_from_float(dy) & ~closed);
}
