// A processor's AMX units in software, for machines without them: loaded before oneDNN by `emulate_amx`, this library makes oneDNN
// find AMX, and carries out the tile instructions of its bfloat16 kernels in a signal handler. It shows which kernels would be chosen
// and whether they, and what is built on them, are right; of their speed it shows nothing (a tile instruction takes microseconds).
// It needs AVX-512-BF16, whose products of pairs tdpbf16ps is made of.
//
// Instructions: Intel, Architecture Instruction Set Extensions Programming Reference (319433), chapter 3.

#define _GNU_SOURCE
#include <cpuid.h>
#include <immintrin.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };

// Tiles, a thread's own

static _Thread_local __attribute__((tls_model("initial-exec"), aligned(64))) struct {
    uint8_t tiles[TILES][ROWS][ROW_BYTES];
    uint8_t configuration[64];
} state;

static int rows(int tile) { return state.configuration[48 + tile]; }

static int row_bytes(int tile) {
    uint16_t bytes;
    memcpy(&bytes, state.configuration + 16 + 2 * tile, 2);
    return bytes;
}

static int is_configured(int tile) {
    return rows(tile) >= 1 && rows(tile) <= ROWS && row_bytes(tile) >= 1 && row_bytes(tile) <= ROW_BYTES;
}

static void load(int tile, const uint8_t *source, int64_t stride) {
    memset(state.tiles[tile], 0, sizeof state.tiles[tile]);
    for (int row = 0; row < rows(tile); row++) memcpy(state.tiles[tile][row], source + row * stride, row_bytes(tile));
}

static void store(int tile, uint8_t *destination, int64_t stride) {
    for (int row = 0; row < rows(tile); row++) memcpy(destination + row * stride, state.tiles[tile][row], row_bytes(tile));
}

static void configure(const uint8_t *configuration) {
    memset(&state, 0, sizeof state);
    if (configuration) memcpy(state.configuration, configuration, sizeof state.configuration);
}

/// c += a × b, b with the two rows of a pair side by side.
static void multiply(int c, int a, int b) {
    for (int row = 0; row < rows(c); row++) {
        __m512 sum = _mm512_load_ps(state.tiles[c][row]);
        for (int pair = 0; pair < row_bytes(a) / 4; pair++) {
            int two;
            memcpy(&two, state.tiles[a][row] + 4 * pair, 4);
            sum = _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(two), (__m512bh)_mm512_load_si512(state.tiles[b][pair]));
        }
        _mm512_store_ps(state.tiles[c][row], sum);
    }
}

// Instructions

static const int general_registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                          REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/// An instruction VEX.128.pp.0F38.W0 with its operands.
typedef struct {
    int prefix, opcode, is_memory;
    int destination, source, second_source;  // registers
    uint8_t *address;                        // of a memory operand, without its index
    int64_t index;                           // of a tile's rows: their distance in bytes
    const uint8_t *end;
} instruction;

static int32_t displacement(const uint8_t *code) {
    int32_t value;
    memcpy(&value, code, 4);
    return value;
}

static int decode(const uint8_t *code, const greg_t *registers, instruction *result) {
    if (code[0] != 0xC4 || (code[1] & 31) != 2) return 0;
    int high_register = !(code[1] & 0x80) << 3, high_index = !(code[1] & 0x40) << 3, high_base = !(code[1] & 0x20) << 3;
    int mode = code[4] >> 6, low = code[4] & 7, base = low | high_base, has_base = 1;
    const uint8_t *next = code + 5;
    int64_t address = 0, index = 0;
    if (mode != 3) {
        int sib = low == 4 ? *next++ : -1;
        if (sib >= 0) {
            base = (sib & 7) | high_base;
            int index_register = (sib >> 3 & 7) | high_index;
            if (index_register != 4) index = registers[general_registers[index_register]] << (sib >> 6);
        }
        if (mode == 0 && (base & 7) == 5) {  // no base: a displacement alone, from the instruction's end where there is no index byte
            has_base = 0;
            address = displacement(next) + (sib < 0 ? (int64_t)(next + 4) : 0);
            next += 4;
        }
        if (has_base) address += registers[general_registers[base]];
        if (mode == 1) address += (int8_t)*next++;
        if (mode == 2) {
            address += displacement(next);
            next += 4;
        }
    }
    *result = (instruction){
        .prefix = code[2] & 3, .opcode = code[3], .is_memory = mode != 3, .destination = (code[4] >> 3 & 7) | high_register, .source = base,
        .second_source = ~code[2] >> 3 & 15, .address = (uint8_t *)address, .index = index, .end = next};
    return 1;
}

enum { NO_PREFIX, PREFIX_66, PREFIX_F3, PREFIX_F2 };

static int execute(const instruction *i) {
    int c = i->destination, a = i->source, b = i->second_source, is_tile = c < TILES && is_configured(c);
    switch (i->opcode << 4 | i->prefix) {
    case 0x49 << 4 | NO_PREFIX:  // ldtilecfg, or tilerelease
        configure(i->is_memory ? i->address + i->index : NULL);
        return 1;
    case 0x49 << 4 | PREFIX_F2:  // tilezero
        if (is_tile) memset(state.tiles[c], 0, sizeof state.tiles[c]);
        return is_tile;
    case 0x4B << 4 | PREFIX_F2:  // tileloadd
    case 0x4B << 4 | PREFIX_66:  // tileloaddt1
        if (is_tile) load(c, i->address, i->index);
        return is_tile;
    case 0x4B << 4 | PREFIX_F3:  // tilestored
        if (is_tile) store(c, i->address, i->index);
        return is_tile;
    case 0x5C << 4 | PREFIX_F3:  // tdpbf16ps
        if (!is_tile || a >= TILES || b >= TILES) return 0;
        if (rows(a) != rows(c) || row_bytes(a) != 4 * rows(b) || row_bytes(b) != row_bytes(c)) return 0;
        multiply(c, a, b);
        return 1;
    default: return 0;
    }
}

/// `cpuid` as a processor with AMX answers it. oneDNN's own are replaced by `ud2`, so that they come here.
static void identify(greg_t *registers) {
    unsigned leaf = registers[REG_RAX], part = registers[REG_RCX], a, b, c, d;
    __cpuid_count(leaf, part, a, b, c, d);
    if (leaf == 0 && a < 0x1D) a = 0x1D;
    if (leaf == 7 && part == 0) d |= 1 << 22 | 1 << 24 | 1 << 25;  // AMX-BF16, AMX-TILE, AMX-INT8
    if (leaf == 0x1D) {
        a = part == 0 ? 1 : TILES * ROWS * ROW_BYTES;
        b = TILES << 16 | ROW_BYTES;
        c = ROWS;
    }
    registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
}

static const uintptr_t cpuid_offsets[] = {CPUID_OFFSETS};
enum { CPUIDS = sizeof cpuid_offsets / sizeof *cpuid_offsets };
static uintptr_t library;  // where oneDNN's code begins

static int is_replaced_cpuid(const uint8_t *code) {
    for (int i = 0; i < CPUIDS; i++)
        if ((uintptr_t)code == library + cpuid_offsets[i]) return 1;
    return 0;
}

static void handle(int signal_number, siginfo_t *information, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP];
    instruction decoded;
    if (is_replaced_cpuid(code)) {
        identify(registers);
        registers[REG_RIP] += 2;
    } else if (decode(code, registers, &decoded) && execute(&decoded)) {
        registers[REG_RIP] = (greg_t)decoded.end;
    } else {
        signal(SIGILL, SIG_DFL);  // the instruction runs again, and ends the process
    }
}

// Start

/// Takes the place of oneDNN's function, which asks the kernel for permission to use tiles.
int _ZN4dnnl4impl3cpu3x643amx12is_availableEv(void) { return 1; }

static int replace_cpuid(struct dl_phdr_info *object, size_t size, void *unused) {
    if (!strstr(object->dlpi_name, "libdnnl.so")) return 0;
    library = object->dlpi_addr;
    for (int i = 0; i < CPUIDS; i++) {
        uint8_t *code = (uint8_t *)library + cpuid_offsets[i];
        uint8_t *page = (uint8_t *)((uintptr_t)code & -4096);
        if (mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) != 0 || code[0] != 0x0F || code[1] != 0xA2) _exit(70);
        code[1] = 0x0B;
        mprotect(page, 8192, PROT_READ | PROT_EXEC);
    }
    return 1;
}

__attribute__((constructor)) static void start(void) {
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGILL, &action, NULL);
    dl_iterate_phdr(replace_cpuid, NULL);
}
