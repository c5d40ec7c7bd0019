#define _GNU_SOURCE
#include "AllocationCounter.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include <unwind.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static _Atomic int64_t own, onednn, bytes_in_use;
static _Thread_local int is_counted;
/// Where oneDNN's code lies.
static uintptr_t first, last;

void allocation_counter_include_thread(int counts) { is_counted = counts; }

allocation_counts allocation_counter_read(void) { return (allocation_counts){own, onednn, bytes_in_use}; }

static int find_onednn(struct dl_phdr_info *library, size_t size, void *unused) {
    if (!library->dlpi_name || !strstr(library->dlpi_name, "libdnnl")) return 0;
    for (int i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &library->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        first = library->dlpi_addr + part->p_vaddr;
        last = first + part->p_memsz;
    }
    return 1;
}

static _Unwind_Reason_Code look_at_frame(struct _Unwind_Context *frame, void *is_inside) {
    uintptr_t place = _Unwind_GetIP(frame);
    if (place < first || place >= last) return _URC_NO_REASON;
    *(int *)is_inside = 1;
    return _URC_END_OF_STACK;
}

/// Counts a call that changes the memory in use by `bytes`.
static void count(int64_t bytes) {
    if (!is_counted) return;
    is_counted = 0;  // walking the stack may allocate
    if (!last) dl_iterate_phdr(find_onednn, NULL);
    int is_inside = 0;
    _Unwind_Backtrace(look_at_frame, &is_inside);
    atomic_fetch_add(is_inside ? &onednn : &own, 1);
    atomic_fetch_add(&bytes_in_use, bytes);
    is_counted = 1;
}

static void *counted(void *memory) {
    if (is_counted) count((int64_t)malloc_usable_size(memory));
    return memory;
}

void *malloc(size_t size) { return counted(__libc_malloc(size)); }
void *calloc(size_t number, size_t size) { return counted(__libc_calloc(number, size)); }
void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

void *realloc(void *memory, size_t size) {
    if (is_counted) count(-(int64_t)malloc_usable_size(memory));
    return counted(__libc_realloc(memory, size));
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    *memory = memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

void free(void *memory) {
    if (is_counted && memory) count(-(int64_t)malloc_usable_size(memory));
    __libc_free(memory);
}
