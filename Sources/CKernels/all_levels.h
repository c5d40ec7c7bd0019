// LOOPS, a file of inner loops, once for each level of x86-64 that has registers of its own.

#define LEVEL(name) plain_##name
#define TARGET
#define REGISTER 4
#define HEIGHT 6
#define plain_SPLAT(x) (plain_vector) {x, x, x, x}
#include "product_loops.h"
#include LOOPS
#include "level_end.h"

#ifdef LEVELS_OF_X86
#define LEVEL(name) v3_##name
#define TARGET TARGET_V3
#define REGISTER 8
#define HEIGHT 6
#define v3_SPLAT(x) (v3_vector) {x, x, x, x, x, x, x, x}
#include "product_loops.h"
#include LOOPS
#include "level_end.h"

#define LEVEL(name) v4_##name
#define TARGET TARGET_V4
#define REGISTER 16
#define HEIGHT 14
#define v4_SPLAT(x) (v4_vector) {x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}
#include "product_loops.h"
#include LOOPS
#include "level_end.h"
#endif
