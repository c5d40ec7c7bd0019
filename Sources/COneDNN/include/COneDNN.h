// A plain C face over oneDNN: the only place that knows the library's version (2.6 and 3.x).
//
// A primitive is made once and may be executed by several workers at a time, each with its own worker index and pointers; the
// library's scratchpad is the caller's memory. Functions that make something return NULL on failure; `onednn_error()` says why.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ONEDNN_MAX_RANK = 6 };
/// Along how many axes a window moves at most: depth, height and width.
enum { ONEDNN_MAX_WINDOW_RANK = 3 };

typedef enum { ONEDNN_FLOAT32, ONEDNN_BFLOAT16 } onednn_type;

/// Logical lengths and physical strides, in elements. `strides[0] == 0` leaves the physical layout to oneDNN.
typedef struct {
    onednn_type type;
    int rank;
    int64_t lengths[ONEDNN_MAX_RANK];
    int64_t strides[ONEDNN_MAX_RANK];
} onednn_tensor;

typedef struct onednn_layout onednn_layout;
typedef struct onednn_primitive onednn_primitive;

/// The version of the library that runs, such as "2.6.3".
const char *onednn_version_string(void);
/// The instruction set that oneDNN uses on this machine, such as "avx512_core".
const char *onednn_instruction_set(void);
/// Whether oneDNN may use this machine's units for bfloat16 products: AVX-512-BF16 or AMX.
int onednn_has_bfloat16_units(void);
/// Makes oneDNN single-threaded in the calling thread.
void onednn_use_one_thread(void);
/// Why the last call in this thread failed.
const char *onednn_error(void);

// Layouts

onednn_layout *onednn_layout_create(const onednn_tensor *tensor);
void onednn_layout_destroy(onednn_layout *layout);
size_t onednn_layout_bytes(const onednn_layout *layout);
int onednn_layout_equal(const onednn_layout *a, const onednn_layout *b);

// Primitives. The comment names the arguments in the order in which `onednn_execute` takes them; the scratchpad always follows them.

/// (a, b, [bias], c): c = a × b + bias; batch axes broadcast. Products of bfloat16 are summed in float32; the bias is float32.
onednn_primitive *onednn_matmul(const onednn_tensor *a, const onednn_tensor *b, const onednn_tensor *bias, const onednn_tensor *c, int workers);
/// (a, b, c): c = a × b, by the kernel that copies parts of both matrices into an order of its own first, where there is one: faster where they
/// are read across their rows, or are larger than a core's cache. Its sums of more than 384 terms are cut elsewhere.
onednn_primitive *onednn_matmul_packing(const onednn_tensor *a, const onednn_tensor *b, const onednn_tensor *c, int workers);
/// (a, b, c): c += a × b.
onednn_primitive *onednn_matmul_adding(const onednn_tensor *a, const onednn_tensor *b, const onednn_tensor *c, int workers);

/// Sizes in logical NCHW and OIHW (GOIHW with groups) order, of volumes NCDHW and OIDHW; a window's numbers are those of the source's axes after the
/// channels, the first `rank − 2`. `dilation` is 1 for a dense kernel. Biases are float32. The weights' type
/// is that of the images, or float32 where their gradient is the result.
typedef struct {
    onednn_tensor source, weights, destination;
    int has_bias;
    int64_t stride[ONEDNN_MAX_WINDOW_RANK], dilation[ONEDNN_MAX_WINDOW_RANK];
    int64_t padding_before[ONEDNN_MAX_WINDOW_RANK], padding_after[ONEDNN_MAX_WINDOW_RANK];
} onednn_convolution;

/// (source, weights, [bias], destination)
onednn_primitive *onednn_convolution_forward(const onednn_convolution *convolution, int workers);
/// (destination gradient, weights, source gradient)
onednn_primitive *onednn_convolution_backward_data(const onednn_convolution *convolution, int workers);
/// (source, destination gradient, weight gradient, [bias gradient])
onednn_primitive *onednn_convolution_backward_weights(const onednn_convolution *convolution, int workers);

typedef enum { ONEDNN_POOL_MAX, ONEDNN_POOL_AVERAGE, ONEDNN_POOL_AVERAGE_WITH_PADDING } onednn_pool_kind;

typedef struct {
    onednn_pool_kind kind;
    onednn_tensor source, destination;
    int64_t window[ONEDNN_MAX_WINDOW_RANK], stride[ONEDNN_MAX_WINDOW_RANK];
    int64_t padding_before[ONEDNN_MAX_WINDOW_RANK], padding_after[ONEDNN_MAX_WINDOW_RANK];
} onednn_pooling;

/// (source, destination, [workspace of a maximum])
onednn_primitive *onednn_pooling_forward(const onednn_pooling *pooling, int workers);
/// (destination gradient, source gradient, [workspace of a maximum])
onednn_primitive *onednn_pooling_backward(const onednn_pooling *pooling, int workers);

/// (source, destination)
onednn_primitive *onednn_reorder(const onednn_layout *source, const onednn_layout *destination, int workers);

void onednn_primitive_destroy(onednn_primitive *primitive);
/// A copy of the layout that argument `index` must have.
onednn_layout *onednn_primitive_layout(const onednn_primitive *primitive, int index);
size_t onednn_primitive_scratchpad_bytes(const onednn_primitive *primitive);
/// Multiply-adds of one execution of a convolution, its gradients, or a matrix product; 0 for everything else.
size_t onednn_primitive_multiply_adds(const onednn_primitive *primitive);

/// Runs the primitive on the calling thread; 0 on success. At most one thread may use a worker index at a time.
int onednn_execute(onednn_primitive *primitive, int worker, void *const *arguments);

#ifdef __cplusplus
}
#endif
