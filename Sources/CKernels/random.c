#include "random.h"
#include "elements.h"

#include <math.h>

typedef struct {
    uint32_t word[4];
} philox_words;

INLINE philox_words philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)c0 * 0xd2511f53u, p1 = (uint64_t)c2 * 0xcd9e8d57u;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return (philox_words){{c0, c1, c2, c3}};
}

enum { BLOCK = 64 };

INLINE void dropout(
    const void *x, void *y, int64_t samples, int64_t elements, uint64_t first_sample, uint32_t time, const uint32_t key[2], float rate,
    kernel_type type) {
    float scale = 1.0f / (1.0f - rate);
    // A word has 24 bits of chance, as a uniform draw has.
    uint32_t threshold = (uint32_t)(rate * 16777216.0f);
    for (int64_t s = 0; s < samples; s++) {
        uint64_t sample = first_sample + (uint64_t)s;
        for (int64_t start = 0; start < elements; start += 4 * BLOCK) {
            uint32_t words[4 * BLOCK];
            for (int i = 0; i < BLOCK; i++) {
                philox_words draw = philox((uint32_t)(start / 4 + i), (uint32_t)sample, (uint32_t)(sample >> 32), time, key[0], key[1]);
                for (int lane = 0; lane < 4; lane++) words[4 * i + lane] = draw.word[lane];
            }
            int64_t count = elements - start < 4 * BLOCK ? elements - start : 4 * BLOCK;
            int64_t base = s * elements + start;
            VECTORIZE
            for (int64_t i = 0; i < count; i++)
                store(y, base + i, (words[i] >> 8) < threshold ? 0.0f : load(x, base + i, type) * scale, type);
        }
    }
}

INLINE void drop_path(
    const void *x, void *y, int64_t samples, int64_t elements, uint64_t first_sample, uint32_t time, const uint32_t key[2], float rate,
    kernel_type type) {
    uint32_t threshold = (uint32_t)(rate * 16777216.0f);
    for (int64_t s = 0; s < samples; s++) {
        uint64_t sample = first_sample + (uint64_t)s;
        philox_words draw = philox(0, (uint32_t)sample, (uint32_t)(sample >> 32), time, key[0], key[1]);
        float factor = (draw.word[0] >> 8) < threshold ? 0.0f : 1.0f / (1.0f - rate);
        int64_t base = s * elements;
        VECTORIZE
        for (int64_t i = 0; i < elements; i++) store(y, base + i, load(x, base + i, type) * factor, type);
    }
}

KERNEL void kernel_dropout(
    const void *x, void *y, int64_t samples, int64_t elements, uint64_t first_sample, uint32_t time, const uint32_t key[2], float rate,
    kernel_type type) {
    SPECIALIZE(type, dropout, x, y, samples, elements, first_sample, time, key, rate);
}

KERNEL void kernel_drop_path(
    const void *x, void *y, int64_t samples, int64_t elements, uint64_t first_sample, uint32_t time, const uint32_t key[2], float rate,
    kernel_type type) {
    SPECIALIZE(type, drop_path, x, y, samples, elements, first_sample, time, key, rate);
}

void kernel_random(
    kernel_random_kind kind, float *y, int64_t samples, int64_t elements, uint64_t first_sample, uint32_t time, const uint32_t key[2],
    float probability) {
    uint32_t threshold = (uint32_t)(probability * 16777216.0f);
    for (int64_t s = 0; s < samples; s++) {
        uint64_t sample = first_sample + (uint64_t)s;
        float *row = y + s * elements;
        for (int64_t start = 0; start < elements; start += 4) {
            philox_words draw = philox((uint32_t)(start / 4), (uint32_t)sample, (uint32_t)(sample >> 32), time, key[0], key[1]);
            float values[4];
            for (int lane = 0; lane < 4; lane++) {
                uint32_t word = draw.word[lane] >> 8;
                values[lane] = kind == KERNEL_BERNOULLI ? (word < threshold ? 1.0f : 0.0f) : (float)word * 0x1p-24f;
            }
            if (kind == KERNEL_NORMAL) {
                for (int pair = 0; pair < 4; pair += 2) {
                    // From above 0 up to 1, whose logarithm is finite.
                    float radius = sqrtf(-2.0f * logf(values[pair] + 0x1p-24f)), angle = 6.2831853f * values[pair + 1];
                    values[pair] = radius * cosf(angle);
                    values[pair + 1] = radius * sinf(angle);
                }
            }
            for (int64_t lane = 0; lane < 4 && start + lane < elements; lane++) row[start + lane] = values[lane];
        }
    }
}
