#include "internal.h"

// Resampling as in Pillow: the filter is stretched where the image gets smaller, its weights are cut off at the image's edges and sum to 1, and
// one axis comes after the other with rounding between. Weights come from sums, products and comparisons alone, and are integers of 22 bits
// behind the point (16-bit samples: 40), so that no machine's arithmetic shows.

#if defined(__x86_64__)
#define CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define CLONES
#endif

enum { BITS = 22, DEEP_BITS = 40 };

/// What the samples of one new place are: `count` old ones from `first`, with weights that begin at `start`.
typedef struct {
    int first, count;
} span;

typedef struct {
    span *spans;
    /// The weights of place i begin at i · longest.
    int64_t *weights;
    int longest;
} mixture;

static double triangle(double x) {
    x = x < 0 ? -x : x;
    return x < 1 ? 1 - x : 0;
}

/// Keys's cubic with a = −1/2, "Cubic Convolution Interpolation for Digital Image Processing", 1981.
static double cubic(double x) {
    x = x < 0 ? -x : x;
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
    return 0;
}

static void mixture_free(mixture *m) {
    free(m->spans);
    free(m->weights);
}

/// What the `count` places from `offset` of `new` are made of.
static int mixture_make(mixture *m, int old, int new, int offset, int count, image_filter filter, int bits) {
    double scale = (double)old / new, stretch = scale < 1 ? 1 : scale, support = (filter == IMAGE_BICUBIC ? 2 : 1) * stretch;
    int longest = 2 * ((int)support + 1) + 1;
    if (longest > old) longest = old;
    double *shares = malloc((size_t)longest * sizeof *shares);
    *m = (mixture){.spans = malloc((size_t)count * sizeof(span)), .weights = calloc((size_t)count * (size_t)longest, sizeof(int64_t)), .longest = longest};
    if (!m->spans || !m->weights || !shares) {
        mixture_free(m);
        free(shares);
        return 1;
    }
    for (int place = 0; place < count; place++) {
        double center = (place + offset + 0.5) * scale, sum = 0;
        int first = (int)(center - support + 0.5), end = (int)(center + support + 0.5);
        if (first < 0 || center - support + 0.5 < 0) first = 0;
        if (end > old) end = old;
        if (end - first > longest) end = first + longest;
        for (int i = first; i < end; i++) {
            double x = (i - center + 0.5) / stretch;
            shares[i - first] = filter == IMAGE_BICUBIC ? cubic(x) : triangle(x);
            sum += shares[i - first];
        }
        m->spans[place] = (span){first, end - first};
        for (int i = 0; i < end - first; i++) {
            double share = shares[i] / sum * (double)((int64_t)1 << bits);
            m->weights[(int64_t)place * longest + i] = (int64_t)(share < 0 ? share - 0.5 : share + 0.5);
        }
    }
    free(shares);
    return 0;
}

static inline uint8_t rounded(int32_t sum) {
    sum >>= BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static inline uint16_t rounded_deep(int64_t sum) {
    sum >>= DEEP_BITS;
    return (uint16_t)(sum < 0 ? 0 : sum > 65535 ? 65535 : sum);
}

/// New rows of the same width. `stride` is the distance of two old rows, in samples.
CLONES static void mix_rows(const uint8_t *old, int64_t stride, int64_t length, const mixture *m, int height, uint8_t *new, int32_t *sums) {
    for (int y = 0; y < height; y++, new += length) {
        span s = m->spans[y];
        const int64_t *weights = m->weights + (int64_t)y * m->longest;
        for (int64_t x = 0; x < length; x++) sums[x] = 1 << (BITS - 1);
        int i = 0;
        for (; i + 1 < s.count; i += 2) {
            const uint8_t *a = old + (s.first + i) * stride, *b = a + stride;
            int32_t v = (int32_t)weights[i], w = (int32_t)weights[i + 1];
            for (int64_t x = 0; x < length; x++) sums[x] += a[x] * v + b[x] * w;
        }
        if (i < s.count) {
            const uint8_t *a = old + (s.first + i) * stride;
            int32_t v = (int32_t)weights[i];
            for (int64_t x = 0; x < length; x++) sums[x] += a[x] * v;
        }
        for (int64_t x = 0; x < length; x++) new[x] = rounded(sums[x]);
    }
}

/// New columns of the same rows.
static void mix_columns(const uint8_t *old, int64_t stride, int rows, int channels, const mixture *m, int width, uint8_t *new) {
    for (int y = 0; y < rows; y++, old += stride) {
        for (int x = 0; x < width; x++, new += channels) {
            span s = m->spans[x];
            const int64_t *weights = m->weights + (int64_t)x * m->longest;
            const uint8_t *source = old + (int64_t)s.first * channels;
            if (channels == 3) {
                int32_t r = 1 << (BITS - 1), g = r, b = r;
                for (int i = 0; i < s.count; i++, source += 3) {
                    int32_t w = (int32_t)weights[i];
                    r += source[0] * w;
                    g += source[1] * w;
                    b += source[2] * w;
                }
                new[0] = rounded(r), new[1] = rounded(g), new[2] = rounded(b);
            } else {
                int32_t sum = 1 << (BITS - 1);
                for (int i = 0; i < s.count; i++) sum += source[i] * (int32_t)weights[i];
                new[0] = rounded(sum);
            }
        }
    }
}

/// Either axis of 16-bit samples: `count` lines of `length` new places, whose neighbours are `step` old samples apart.
static void mix_deep(
    const uint16_t *old, int64_t line, int64_t step, int64_t lines, int64_t inner, int64_t inner_step, const mixture *m, int length, uint16_t *new,
    int64_t new_line, int64_t new_step, int64_t new_inner) {
    for (int64_t l = 0; l < lines; l++) {
        for (int place = 0; place < length; place++) {
            span s = m->spans[place];
            const int64_t *weights = m->weights + (int64_t)place * m->longest;
            for (int64_t k = 0; k < inner; k++) {
                int64_t sum = (int64_t)1 << (DEEP_BITS - 1);
                for (int i = 0; i < s.count; i++) sum += old[l * line + (s.first + i) * step + k * inner_step] * weights[i];
                new[l * new_line + place * new_step + k * new_inner] = rounded_deep(sum);
            }
        }
    }
}

int image_resample(
    const image_pixels *pixels, image_rectangle part, image_filter filter, int width, int height, image_rectangle window, void *output) {
    int channels = pixels->channels;
    int64_t stride = (int64_t)pixels->width * channels;
    size_t size = (size_t)pixels->bytes_per_sample;
    const uint8_t *start = (const uint8_t *)pixels->samples + (size_t)(part.top * stride + (int64_t)part.left * channels) * size;
    if (part.width == width && part.height == height) {
        size_t length = (size_t)(window.width * channels) * size;
        for (int y = 0; y < window.height; y++) {
            memcpy((uint8_t *)output + (size_t)y * length, start + (size_t)((y + window.top) * stride + (int64_t)window.left * channels) * size, length);
        }
        return 0;
    }
    int bits = size == 1 ? BITS : DEEP_BITS, failed = 1;
    // Pillow's columns come first. Where nothing overshoots the order is free, and rows first are faster.
    int rows_first = filter == IMAGE_BILINEAR && size == 1;
    int64_t middle = rows_first ? (int64_t)part.width * window.height : (int64_t)window.width * part.height;
    mixture columns = {0}, rows = {0};
    void *between = malloc((size_t)(middle * channels) * size);
    int32_t *sums = malloc((size_t)((part.width > window.width ? part.width : window.width) * channels) * sizeof *sums);
    if (between && sums && !mixture_make(&columns, part.width, width, window.left, window.width, filter, bits)
        && !mixture_make(&rows, part.height, height, window.top, window.height, filter, bits)) {
        int64_t length = (int64_t)window.width * channels;
        if (rows_first) {
            mix_rows(start, stride, (int64_t)part.width * channels, &rows, window.height, between, sums);
            mix_columns(between, (int64_t)part.width * channels, window.height, channels, &columns, window.width, output);
        } else if (size == 1) {
            mix_columns(start, stride, part.height, channels, &columns, window.width, between);
            mix_rows(between, length, length, &rows, window.height, output, sums);
        } else {
            mix_deep((const uint16_t *)start, stride, channels, part.height, channels, 1, &columns, window.width, between, length, channels, 1);
            mix_deep(between, 0, length, 1, length, 1, &rows, window.height, output, 0, length, 1);
        }
        failed = 0;
    }
    mixture_free(&columns);
    mixture_free(&rows);
    free(between);
    free(sums);
    return failed;
}
