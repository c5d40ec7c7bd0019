// Counts the calls of the C library's allocator in chosen threads, for tests: linked into a program, it stands before malloc and its kin.
#pragma once
#include <stdint.h>

typedef struct {
    /// Calls that allocate or free, made from outside oneDNN and from inside.
    int64_t own, onednn;
    /// Bytes allocated and not freed, both kinds together.
    int64_t bytes_in_use;
} allocation_counts;

/// From now on the calls of this thread count, or do not.
void allocation_counter_include_thread(int counts);
/// The counts so far, over all threads.
allocation_counts allocation_counter_read(void);
