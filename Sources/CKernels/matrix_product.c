#include "products.h"

/// Terms that are summed up at a time, at most, and numbers of a that are packed at a time: half of a core's second cache.
enum { DEPTH = 400, BLOCK_COUNT = 168000 };

/// Sums of more terms than DEPTH are cut into equal parts.
INLINE int64_t block_depth(int64_t k) { return ceiling_quotient(k, ceiling_quotient(k, DEPTH)); }

#define LOOPS "matrix_product_loops.h"
#include "all_levels.h"

void kernel_matrix_product(
    kernel_matrix a, kernel_matrix b, float *c, int64_t c_row, int64_t m, int64_t k, int64_t n, const float *bias, int adds, float *memory) {
    AT_LEVEL(matrix_product, a, b, c, c_row, m, k, n, bias, adds, memory);
}

int64_t kernel_matrix_memory(int64_t m, int64_t k, int64_t n) { return AT_LEVEL(matrix_memory, m, k, n); }
