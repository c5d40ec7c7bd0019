// Convolutions F(4×4, 3×3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), after Winograd: 6×6 pixels and 3×3 weights
// are transformed to 36 numbers each, the values of polynomials at 36 points; those are multiplied, and 4×4 pixels of the output found from the
// products. Over all tiles and channels that is 36 products of matrices, a quarter of the direct convolution's multiplications.
//
// Along each axis the points are 0, ±P, ±Q and ∞. With 5/8 and 3/2 rounding errors are about those of a direct convolution; with 1 and 2, as in the
// paper, they are several times as large.
#include "include/winograd.h"
#include "products.h"

enum { LANES = 16, PANEL = KERNEL_WINOGRAD_PANEL, VECTORS = PANEL / LANES };
enum { TILE = KERNEL_WINOGRAD_TILE, PATCH = 6, POINTS = KERNEL_WINOGRAD_POINTS, WEIGHTS = 9 };

typedef unaligned_line vector;
#define VECTOR(values) (*(vector *)(values))

/// Keeps loops over rows of vectors as they are: unrolled, they would need more registers than there are.
#define ONE_BY_ONE _Pragma("clang loop unroll(disable)")

static const float P = 0.625f, P2 = 0.390625f, P3 = 0.244140625f, Q = 1.5f, Q2 = 2.25f, Q3 = 3.375f;
/// Products of a point's distances to the other points, which divide its weights.
static const double AT_0 = 0.390625 * 2.25, AT_P = 2 * 0.390625 * (0.390625 - 2.25), AT_Q = 2 * 2.25 * (2.25 - 0.390625);

// MARK: Transforms along one axis, named as in the paper

/// Bᵀ x, of six pixels.
INLINE void transform_pixels(const vector *x, vector *y) {
    vector p = x[4] - Q2 * x[2], p_odd = x[3] - Q2 * x[1], q = x[4] - P2 * x[2], q_odd = x[3] - P2 * x[1];
    y[0] = P2 * Q2 * x[0] - (P2 + Q2) * x[2] + x[4];
    y[1] = p + P * p_odd;
    y[2] = p - P * p_odd;
    y[3] = q + Q * q_odd;
    y[4] = q - Q * q_odd;
    y[5] = P2 * Q2 * x[1] - (P2 + Q2) * x[3] + x[5];
}

/// Aᵀ x, four pixels of the output from six products.
INLINE void transform_products(const vector *x, vector *y) {
    vector p = x[1] + x[2], p_odd = x[1] - x[2], q = x[3] + x[4], q_odd = x[3] - x[4];
    y[0] = x[0] + p + q;
    y[1] = P * p_odd + Q * q_odd;
    y[2] = P2 * p + Q2 * q;
    y[3] = P3 * p_odd + Q3 * q_odd + x[5];
}

/// A x, of the gradients of four pixels of the output.
INLINE void transform_gradients(const vector *x, vector *y) {
    vector p = x[0] + P2 * x[2], p_odd = P * x[1] + P3 * x[3], q = x[0] + Q2 * x[2], q_odd = Q * x[1] + Q3 * x[3];
    y[0] = x[0];
    y[1] = p + p_odd;
    y[2] = p - p_odd;
    y[3] = q + q_odd;
    y[4] = q - q_odd;
    y[5] = x[3];
}

/// G x, of three weights.
INLINE void transform_weights(const vector *x, vector *y) {
    vector p = (float)(1 / AT_P) * (x[0] + P2 * x[2]), p_odd = (float)(0.625 / AT_P) * x[1];
    vector q = (float)(1 / AT_Q) * (x[0] + Q2 * x[2]), q_odd = (float)(1.5 / AT_Q) * x[1];
    y[0] = (float)(1 / AT_0) * x[0];
    y[1] = p + p_odd;
    y[2] = p - p_odd;
    y[3] = q + q_odd;
    y[4] = q - q_odd;
    y[5] = x[2];
}

/// Gᵀ x, the gradients of three weights from those of six points.
INLINE void transform_point_gradients(const vector *x, vector *y) {
    vector p = (float)(1 / AT_P) * (x[1] + x[2]), p_odd = (float)(0.625 / AT_P) * (x[1] - x[2]);
    vector q = (float)(1 / AT_Q) * (x[3] + x[4]), q_odd = (float)(1.5 / AT_Q) * (x[3] - x[4]);
    y[0] = (float)(1 / AT_0) * x[0] + p + q;
    y[1] = p_odd + q_odd;
    y[2] = P2 * p + Q2 * q + x[5];
}

/// Transforms a square of `size` by `size` vectors, first its columns and then the rows, to one of `new_size` by `new_size`. `read` is the vector in
/// row `i` and column `j`; `write` takes `result` to its row `i` and column `j`.
#define TRANSFORM(transform, size, new_size, read, write)                                                                              \
    do {                                                                                                                               \
        vector between[PATCH][PATCH], x[PATCH], y[PATCH];                                                                              \
        ONE_BY_ONE for (int j = 0; j < (size); j++) {                                                                                  \
            for (int i = 0; i < (size); i++) x[i] = read;                                                                              \
            transform(x, y);                                                                                                           \
            for (int i = 0; i < (new_size); i++) between[i][j] = y[i];                                                                 \
        }                                                                                                                              \
        ONE_BY_ONE for (int i = 0; i < (new_size); i++) {                                                                              \
            transform(between[i], y);                                                                                                  \
            for (int j = 0; j < (new_size); j++) {                                                                                     \
                vector result = y[j];                                                                                                  \
                write;                                                                                                                 \
            }                                                                                                                          \
        }                                                                                                                              \
    } while (0)

// MARK: Products of matrices

/// c = a b or c += a b for `rows` rows and `vectors` vectors of a panel, which the compiler knows.
INLINE void multiply_rows(matrix a, const float *b, float *c, int64_t c_row, int64_t depth, int adds, int rows, int vectors) {
    vector sums[12][VECTORS];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) sums[i][v] = adds ? VECTOR(c + i * c_row + v * LANES) : (vector){0};
    for (int64_t k = 0; k < depth; k++)
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++) sums[i][v] += a.values[i * a.row + k * a.column] * VECTOR(b + k * PANEL + v * LANES);
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) VECTOR(c + i * c_row + v * LANES) = sums[i][v];
}

/// c [rows, 32] = a [rows, depth] b [depth, 32], or c += a b; `rows` is a multiple of four.
INLINE void multiply(matrix a, const float *b, float *c, int64_t c_row, int64_t rows, int64_t depth, int adds, int is_wide) {
    while (rows > 0) {
        int64_t done = rows < 8 || !is_wide ? 4 : rows < 12 || rows == 16 ? 8 : 12;
        if (!is_wide)
            for (int v = 0; v < VECTORS; v++) multiply_rows(a, b + v * LANES, c + v * LANES, c_row, depth, adds, 4, 1);
        else if (done == 4)
            multiply_rows(a, b, c, c_row, depth, adds, 4, VECTORS);
        else if (done == 8)
            multiply_rows(a, b, c, c_row, depth, adds, 8, VECTORS);
        else
            multiply_rows(a, b, c, c_row, depth, adds, 12, VECTORS);
        rows -= done;
        a.values += done * a.row;
        c += done * c_row;
    }
}

// MARK: Tiles

INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
INLINE int64_t rounded_up(int64_t a, int64_t unit) { return (a + unit - 1) / unit * unit; }

INLINE int64_t tile_columns(kernel_winograd l) { return (l.out_width + TILE - 1) / TILE; }
INLINE int64_t tiles_of_image(kernel_winograd l) { return (l.out_height + TILE - 1) / TILE * tile_columns(l); }
INLINE int64_t tile_count(kernel_winograd l) { return l.batch * tiles_of_image(l); }

/// A tile's image, and its first row and column in the output.
typedef struct {
    int64_t image, row, column;
} tile;

INLINE tile tile_at(kernel_winograd l, int64_t index) {
    int64_t place = index % tiles_of_image(l);
    return (tile){index / tiles_of_image(l), place / tile_columns(l) * TILE, place % tile_columns(l) * TILE};
}

/// Where the pixels of a square at row and column `at` lie; pixels outside of the images are at `zeros`.
INLINE void find_pixels(
    const float *images, tile at, int64_t height, int64_t width, int64_t channels, const float *zeros, int size, const float *pixels[PATCH][PATCH]) {
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = 0; j < size; j++) {
            int64_t row = at.row + i, column = at.column + j;
            int is_inside = row >= 0 && row < height && column >= 0 && column < width;
            pixels[i][j] = is_inside ? images + ((at.image * height + row) * width + column) * channels : zeros;
        }
}

/// Numbers from one tile's patch to the next: behind all points a vector more, that tiles do not share sets of the first cache.
INLINE int64_t patch_stride(kernel_winograd l) { return POINTS * l.inputs + LANES; }

/// The patches of x of `count` tiles, transformed: v [tiles, patch_stride], of which [36, inputs] are used.
INLINE void transform_patches(kernel_winograd l, const float *x_all, int64_t first, int64_t count, const float *zeros, float *v) {
    for (int64_t t = 0; t < count; t++, v += patch_stride(l)) {
        const float *pixels[PATCH][PATCH];
        tile at = tile_at(l, first + t);
        find_pixels(x_all, (tile){at.image, at.row - l.top, at.column - l.left}, l.height, l.width, l.inputs, zeros, PATCH, pixels);
        for (int64_t c = 0; c < l.inputs; c += LANES)
            TRANSFORM(transform_pixels, PATCH, PATCH, VECTOR(pixels[i][j] + c), VECTOR(v + (i * PATCH + j) * l.inputs + c) = result);
    }
}

/// The pixels of the output in 32 channels, from products m [tiles, 36, 32].
INLINE void transform_all_products(kernel_winograd l, const float *m, int64_t first, int64_t count, const float *bias, float *pixels) {
    for (int64_t t = 0; t < count; t++, m += POINTS * PANEL) {
        tile at = tile_at(l, first + t);
        int64_t height = l.out_height - at.row, width = l.out_width - at.column;
        float *target = pixels + ((at.image * l.out_height + at.row) * l.out_width + at.column) * l.outputs;
        for (int64_t c = 0; c < PANEL; c += LANES) {
            vector offset = bias ? VECTOR(bias + c) : (vector){0};
            TRANSFORM(
                transform_products, PATCH, TILE, VECTOR(m + (i * PATCH + j) * PANEL + c),
                if (i < height && j < width) VECTOR(target + (i * l.out_width + j) * l.outputs + c) = result + offset);
        }
    }
}

/// The gradients dy of `count` tiles, transformed: dm [outputs / 32, 36, tiles, 32]. They are added to `dbias` too, unless it is NULL.
INLINE void transform_all_gradients(
    kernel_winograd l, const float *dy, int64_t first, int64_t count, const float *zeros, float *dm, float *dbias) {
    for (int64_t t = 0; t < count; t++) {
        const float *pixels[PATCH][PATCH];
        find_pixels(dy, tile_at(l, first + t), l.out_height, l.out_width, l.outputs, zeros, TILE, pixels);
        for (int64_t c = 0; c < l.outputs; c += LANES) {
            float *target = dm + (c / PANEL * POINTS * count + t) * PANEL + c % PANEL;
            TRANSFORM(transform_gradients, TILE, PATCH, VECTOR(pixels[i][j] + c), VECTOR(target + (i * PATCH + j) * count * PANEL) = result);
            if (!dbias) continue;
            vector sum = {0};
            for (int i = 0; i < TILE; i++)
                for (int j = 0; j < TILE; j++) sum += VECTOR(pixels[i][j] + c);
            VECTOR(dbias + c) += sum;
        }
    }
}

// MARK: The three passes

/// Compiles `name##_loops`, whose last argument is a constant that says whether registers hold a vector, for each level of x86-64.
#ifdef LEVELS_OF_X86
#define FOR_EVERY_LEVEL(name, parameters, ...)                                                                                         \
    TARGET_V4 static void v4_##name parameters { name##_loops(__VA_ARGS__, 1); }                                                       \
    TARGET_V3 static void v3_##name parameters { name##_loops(__VA_ARGS__, 0); }                                                       \
    static void plain_##name parameters { name##_loops(__VA_ARGS__, 0); }                                                              \
    void name parameters { AT_LEVEL(name, __VA_ARGS__); }
#else
#define FOR_EVERY_LEVEL(name, parameters, ...)                                                                                         \
    void name parameters { name##_loops(__VA_ARGS__, 0); }
#endif

INLINE void kernel_winograd_weights_loops(
    const float *w, float *u, int64_t outputs, int64_t inputs, int64_t output_stride, int64_t input_stride, int rotates, int is_wide) {
    (void)is_wide;
    // The points of one layer are read soon after; they go past the caches where those could not hold them.
    enum { LARGE = 4 << 20 };
    int passes_caches = POINTS * outputs * inputs > LARGE;
    for (int64_t output = 0; output < outputs; output += PANEL, u += POINTS * inputs * PANEL)
        for (int64_t input = 0; input < inputs; input++)
            for (int64_t c = 0; c < PANEL; c += LANES) {
                float weights[WEIGHTS][LANES];
                for (int lane = 0; lane < LANES; lane++)
                    for (int k = 0; k < WEIGHTS; k++)
                        weights[k][lane] = w[(output + c + lane) * output_stride + input * input_stride + (rotates ? WEIGHTS - 1 - k : k)];
                if (passes_caches)
                    TRANSFORM(
                        transform_weights, 3, PATCH, VECTOR(weights[i * 3 + j]),
                        __builtin_nontemporal_store(result, (line *)(u + ((i * PATCH + j) * inputs + input) * PANEL + c)));
                else
                    TRANSFORM(
                        transform_weights, 3, PATCH, VECTOR(weights[i * 3 + j]), VECTOR(u + ((i * PATCH + j) * inputs + input) * PANEL + c) = result);
            }
    if (passes_caches) wait_for_passing_stores();
}

FOR_EVERY_LEVEL(
    kernel_winograd_weights,
    (const float *w, float *u, int64_t outputs, int64_t inputs, int64_t output_stride, int64_t input_stride, int rotates), w, u, outputs, inputs,
    output_stride, input_stride, rotates)

/// Tiles that are done at once: few enough for the second cache, and so many that the weights need not be read often.
static int64_t block_tiles(kernel_winograd l) { return smaller(rounded_up(tile_count(l), 4), larger(24, l.inputs / 8)); }

int64_t kernel_winograd_memory(kernel_winograd l) { return l.inputs + block_tiles(l) * (patch_stride(l) + POINTS * PANEL); }

INLINE void kernel_winograd_convolution_loops(
    kernel_winograd l, const float *x, const float *u, const float *bias, float *y, float *memory, int is_wide) {
    int64_t block = block_tiles(l), tiles = tile_count(l);
    float *zeros = memory, *v = zeros + l.inputs, *m = v + block * patch_stride(l);
    memset(zeros, 0, (size_t)l.inputs * sizeof(float));
    for (int64_t first = 0; first < tiles; first += block) {
        int64_t count = smaller(block, tiles - first);
        transform_patches(l, x, first, count, zeros, v);
        for (int64_t c = 0; c < l.outputs; c += PANEL) {
            for (int64_t point = 0; point < POINTS; point++) {
                matrix patches = {v + point * l.inputs, patch_stride(l), 1};
                const float *weights = u + (c / PANEL * POINTS + point) * l.inputs * PANEL;
                multiply(patches, weights, m + point * PANEL, POINTS * PANEL, rounded_up(count, 4), l.inputs, 0, is_wide);
            }
            transform_all_products(l, m, first, count, bias ? bias + c : NULL, y + c);
        }
    }
}

FOR_EVERY_LEVEL(
    kernel_winograd_convolution, (kernel_winograd l, const float *x, const float *u, const float *bias, float *y, float *memory), l, x, u, bias, y,
    memory)

/// Tiles whose products are summed up at once: so many that the sums need not be read and written often.
static int64_t gradient_tiles(kernel_winograd l) { return smaller(tile_count(l), larger(32, smaller(l.inputs, l.outputs) / 4)); }

/// Inputs whose sums are made at once, for 32 outputs.
enum { GRADIENT_INPUTS = 64 };

int64_t kernel_winograd_gradient_memory(kernel_winograd l) {
    int64_t block = gradient_tiles(l), is_whole = block == tile_count(l);
    int64_t sums = POINTS * (is_whole ? GRADIENT_INPUTS * PANEL : l.inputs * l.outputs);
    return larger(l.inputs, l.outputs) + block * (patch_stride(l) + POINTS * l.outputs) + sums;
}

/// The gradients of weights from those of their points, du [36, inputs, 32].
INLINE void transform_all_point_gradients(const float *du, int64_t inputs, float *dw) {
    for (int64_t input = 0; input < inputs; input++)
        for (int64_t c = 0; c < PANEL; c += LANES)
            TRANSFORM(
                transform_point_gradients, PATCH, 3, VECTOR(du + ((i * PATCH + j) * inputs + input) * PANEL + c),
                VECTOR(dw + (input * WEIGHTS + i * 3 + j) * PANEL + c) = result);
}

INLINE void kernel_winograd_gradient_loops(
    kernel_winograd l, const float *x, const float *dy, float *dw, float *dbias, float *memory, int is_wide) {
    int64_t block = gradient_tiles(l), tiles = tile_count(l), channels = larger(l.inputs, l.outputs);
    float *zeros = memory, *v = zeros + channels, *dm = v + block * patch_stride(l), *sums = dm + block * POINTS * l.outputs;
    memset(zeros, 0, (size_t)channels * sizeof(float));
    if (dbias) memset(dbias, 0, (size_t)l.outputs * sizeof(float));
    for (int64_t first = 0; first < tiles; first += block) {
        int64_t count = smaller(block, tiles - first);
        transform_patches(l, x, first, count, zeros, v);
        transform_all_gradients(l, dy, first, count, zeros, dm, dbias);
        for (int64_t c = 0; c < l.outputs; c += PANEL)
            for (int64_t input = 0; input < l.inputs; input += GRADIENT_INPUTS) {
                int64_t inputs = smaller(GRADIENT_INPUTS, l.inputs - input);
                // With all tiles at once nothing has to be kept for later ones.
                float *du = block == tiles ? sums : sums + POINTS * (c * l.inputs + input * PANEL);
                for (int64_t point = 0; point < POINTS; point++) {
                    matrix patches = {v + point * l.inputs + input, 1, patch_stride(l)};
                    const float *gradients = dm + (c / PANEL * POINTS + point) * count * PANEL;
                    multiply(patches, gradients, du + point * inputs * PANEL, PANEL, inputs, count, first > 0, is_wide);
                }
                if (first + count == tiles) transform_all_point_gradients(du, inputs, dw + (c * l.inputs + input * PANEL) * WEIGHTS);
            }
    }
}

FOR_EVERY_LEVEL(
    kernel_winograd_gradient, (kernel_winograd l, const float *x, const float *dy, float *dw, float *dbias, float *memory), l, x, dy, dw, dbias, memory)
