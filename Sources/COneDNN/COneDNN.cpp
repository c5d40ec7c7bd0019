#include "COneDNN.h"

#include <dlfcn.h>
#include <dnnl.hpp>

#include <cstring>
#include <mutex>
#include <string>
#include <vector>

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

struct onednn_layout {
    memory::desc description;
};

/// What one worker needs to execute a primitive: memory objects hold a data handle, so no two workers share one.
struct worker_arguments {
    std::vector<memory> memories;
    std::vector<dnnl_exec_arg_t> arguments;
    dnnl::stream stream;
};

struct onednn_primitive {
    dnnl::primitive primitive;
    size_t scratchpad_bytes;
    std::vector<memory::desc> layouts;
    std::vector<worker_arguments> workers;
};

namespace {

thread_local std::string last_error;

dnnl::engine &engine() {
    static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
    return cpu;
}

memory::desc describe(const onednn_tensor &tensor) {
    memory::dims lengths(tensor.lengths, tensor.lengths + tensor.rank);
    auto type = tensor.type == ONEDNN_BFLOAT16 ? memory::data_type::bf16 : memory::data_type::f32;
    if (tensor.strides[0] == 0) return memory::desc(lengths, type, memory::format_tag::any);
    return memory::desc(lengths, type, memory::dims(tensor.strides, tensor.strides + tensor.rank));
}

/// One number for each axis that a window moves along: all of an operand's but its samples and channels.
memory::dims along(const onednn_tensor &images, const int64_t *values) { return memory::dims(values, values + images.rank - 2); }
/// oneDNN counts the gaps in a kernel, 0 for a dense one.
memory::dims gaps(const onednn_convolution &c) {
    memory::dims result = along(c.source, c.dilation);
    for (auto &gap : result) gap -= 1;
    return result;
}

dnnl::primitive_attr attributes() {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attributes;
}

struct argument {
    int id;
    memory::desc layout;
};

template <typename Primitive, typename Description>
onednn_primitive *make(const Description &description, std::vector<argument> arguments, int workers) {
    auto *result = new onednn_primitive;
    result->primitive = Primitive(description);
    memory::desc scratchpad = description.scratchpad_desc();
    result->scratchpad_bytes = scratchpad.get_size();
    arguments.push_back({DNNL_ARG_SCRATCHPAD, scratchpad});
    for (auto &argument : arguments) result->layouts.push_back(argument.layout);
    result->workers.resize(workers);
    for (auto &worker : result->workers) {
        worker.stream = dnnl::stream(engine());
        for (auto &argument : arguments) {
            worker.memories.push_back(memory(argument.layout, engine(), DNNL_MEMORY_NONE));
            worker.arguments.push_back({argument.id, worker.memories.back().get()});
        }
    }
    return result;
}

/// One primitive is made at a time. oneDNN 2.6 chooses the blocks of a convolution by variables that all threads share (`brg_blocking_t`), among them
/// one that is 1 for float32 and 2 for bfloat16: where two threads described one of each at once, it made a convolution that reads past its weights.
/// Since 2.7.3 that variable is the thread's own.
std::recursive_mutex &making() {
    static std::recursive_mutex mutex;
    return mutex;
}

template <typename Body>
auto guarded(Body body) -> decltype(body()) {
    std::lock_guard<std::recursive_mutex> alone(making());
    try {
        return body();
    } catch (const std::exception &error) {
        last_error = error.what();
        return nullptr;
    }
}

// What differs between the versions: 2.x wraps an operation's parameters in a `desc`, 3.x passes them beside the engine; a name.
#if DNNL_VERSION_MAJOR >= 3
#define ONEDNN_DESCRIBE(kind, attributes, ...) kind::primitive_desc(engine(), __VA_ARGS__, attributes)
#define ONEDNN_DESCRIBE_BACKWARD(kind, attributes, hint, ...) kind::primitive_desc(engine(), __VA_ARGS__, hint, attributes)
#define ONEDNN_LENGTHS(description) (description).get_dims()
#else
#define ONEDNN_DESCRIBE(kind, attributes, ...) kind::primitive_desc(kind::desc(__VA_ARGS__), attributes, engine())
#define ONEDNN_DESCRIBE_BACKWARD(kind, attributes, hint, ...) \
    kind::primitive_desc(kind::desc(__VA_ARGS__), attributes, engine(), hint)
#define ONEDNN_LENGTHS(description) (description).dims()
#endif

dnnl::convolution_forward::primitive_desc describe_forward(const onednn_convolution &c) {
    memory::desc bias({c.destination.lengths[1]}, memory::data_type::f32, memory::format_tag::a);
    if (c.has_bias)
        return ONEDNN_DESCRIBE(
            dnnl::convolution_forward, attributes(), prop_kind::forward_training, algorithm::convolution_direct, describe(c.source),
            describe(c.weights), bias, describe(c.destination), along(c.source, c.stride), gaps(c), along(c.source, c.padding_before),
            along(c.source, c.padding_after));
    return ONEDNN_DESCRIBE(
        dnnl::convolution_forward, attributes(), prop_kind::forward_training, algorithm::convolution_direct, describe(c.source),
        describe(c.weights), describe(c.destination), along(c.source, c.stride), gaps(c), along(c.source, c.padding_before),
        along(c.source, c.padding_after));
}

algorithm pool_algorithm(onednn_pool_kind kind) {
    switch (kind) {
    case ONEDNN_POOL_MAX: return algorithm::pooling_max;
    case ONEDNN_POOL_AVERAGE: return algorithm::pooling_avg_exclude_padding;
    default: return algorithm::pooling_avg_include_padding;
    }
}

dnnl::pooling_forward::primitive_desc describe_forward(const onednn_pooling &p) {
#if DNNL_VERSION_MAJOR >= 3
    return dnnl::pooling_forward::primitive_desc(
        engine(), prop_kind::forward_training, pool_algorithm(p.kind), describe(p.source), describe(p.destination), along(p.source, p.stride),
        along(p.source, p.window), memory::dims(p.source.rank - 2, 0), along(p.source, p.padding_before), along(p.source, p.padding_after),
        attributes());
#else
    return ONEDNN_DESCRIBE(
        dnnl::pooling_forward, attributes(), prop_kind::forward_training, pool_algorithm(p.kind), describe(p.source),
        describe(p.destination), along(p.source, p.stride), along(p.source, p.window), along(p.source, p.padding_before),
        along(p.source, p.padding_after));
#endif
}

} // namespace

extern "C" {

const char *onednn_version_string(void) {
    static const std::string text = [] {
        const dnnl_version_t *version = dnnl_version();
        return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
    }();
    return text.c_str();
}

const char *onednn_instruction_set(void) {
    switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41: return "sse41";
    case dnnl::cpu_isa::avx: return "avx";
    case dnnl::cpu_isa::avx2: return "avx2";
    case dnnl::cpu_isa::avx512_core: return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni: return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16: return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx: return "avx512_core_amx";
    default: return "other";
    }
}

int onednn_has_bfloat16_units(void) {
    // Instruction sets are sets of bits, each with those of all that it contains.
    auto needed = unsigned(dnnl::cpu_isa::avx512_core_bf16);
    return (unsigned(dnnl::get_effective_cpu_isa()) & needed) == needed;
}

void onednn_use_one_thread(void) {
    // oneDNN built on OpenMP asks the runtime, whose setting is per thread; other runtimes have no such symbol.
    using setter = void (*)(int);
    static const setter set_thread_count = reinterpret_cast<setter>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
    if (set_thread_count) set_thread_count(1);
}

const char *onednn_error(void) { return last_error.c_str(); }

onednn_layout *onednn_layout_create(const onednn_tensor *tensor) {
    return guarded([&] { return new onednn_layout{describe(*tensor)}; });
}

void onednn_layout_destroy(onednn_layout *layout) { delete layout; }
size_t onednn_layout_bytes(const onednn_layout *layout) { return layout->description.get_size(); }
int onednn_layout_equal(const onednn_layout *a, const onednn_layout *b) { return a->description == b->description; }

onednn_primitive *onednn_matmul_packing(const onednn_tensor *a, const onednn_tensor *b, const onednn_tensor *c, int workers) {
    return guarded([&] {
        auto d = ONEDNN_DESCRIBE(dnnl::matmul, attributes(), describe(*a), describe(*b), describe(*c));
        while (!std::strstr(d.impl_info_str(), "gemm:jit"))
            if (!d.next_impl()) return onednn_matmul(a, b, nullptr, c, workers);
        return make<dnnl::matmul>(
            d, {{DNNL_ARG_SRC, d.src_desc()}, {DNNL_ARG_WEIGHTS, d.weights_desc()}, {DNNL_ARG_DST, d.dst_desc()}}, workers);
    });
}

onednn_primitive *onednn_matmul(
    const onednn_tensor *a, const onednn_tensor *b, const onednn_tensor *bias, const onednn_tensor *c, int workers) {
    return guarded([&] {
        if (bias) {
            auto d = ONEDNN_DESCRIBE(dnnl::matmul, attributes(), describe(*a), describe(*b), describe(*bias), describe(*c));
            return make<dnnl::matmul>(
                d,
                {{DNNL_ARG_SRC, d.src_desc()}, {DNNL_ARG_WEIGHTS, d.weights_desc()}, {DNNL_ARG_BIAS, describe(*bias)},
                 {DNNL_ARG_DST, d.dst_desc()}},
                workers);
        }
        auto d = ONEDNN_DESCRIBE(dnnl::matmul, attributes(), describe(*a), describe(*b), describe(*c));
        return make<dnnl::matmul>(
            d, {{DNNL_ARG_SRC, d.src_desc()}, {DNNL_ARG_WEIGHTS, d.weights_desc()}, {DNNL_ARG_DST, d.dst_desc()}}, workers);
    });
}

onednn_primitive *onednn_matmul_adding(const onednn_tensor *a, const onednn_tensor *b, const onednn_tensor *c, int workers) {
    return guarded([&] {
        dnnl::post_ops sum;
        sum.append_sum(1.0f);
        dnnl::primitive_attr adding = attributes();
        adding.set_post_ops(sum);
        auto d = ONEDNN_DESCRIBE(dnnl::matmul, adding, describe(*a), describe(*b), describe(*c));
        return make<dnnl::matmul>(
            d, {{DNNL_ARG_SRC, d.src_desc()}, {DNNL_ARG_WEIGHTS, d.weights_desc()}, {DNNL_ARG_DST, d.dst_desc()}}, workers);
    });
}

onednn_primitive *onednn_convolution_forward(const onednn_convolution *c, int workers) {
    return guarded([&] {
        auto d = describe_forward(*c);
        std::vector<argument> arguments = {{DNNL_ARG_SRC, d.src_desc()}, {DNNL_ARG_WEIGHTS, d.weights_desc()}};
        if (c->has_bias) arguments.push_back({DNNL_ARG_BIAS, d.bias_desc()});
        arguments.push_back({DNNL_ARG_DST, d.dst_desc()});
        return make<dnnl::convolution_forward>(d, arguments, workers);
    });
}

onednn_primitive *onednn_convolution_backward_data(const onednn_convolution *c, int workers) {
    return guarded([&] {
        auto d = ONEDNN_DESCRIBE_BACKWARD(
            dnnl::convolution_backward_data, attributes(), describe_forward(*c), algorithm::convolution_direct, describe(c->source),
            describe(c->weights), describe(c->destination), along(c->source, c->stride), gaps(*c), along(c->source, c->padding_before),
            along(c->source, c->padding_after));
        return make<dnnl::convolution_backward_data>(
            d,
            {{DNNL_ARG_DIFF_DST, d.diff_dst_desc()}, {DNNL_ARG_WEIGHTS, d.weights_desc()}, {DNNL_ARG_DIFF_SRC, d.diff_src_desc()}},
            workers);
    });
}

/// What oneDNN forgets to ask for. Its AVX2 kernel for the weight gradient of a strided 1×1 convolution copies an image to the scratchpad with
/// the channels rounded up to a whole register, but asks for memory for the channels that there are: with oneDNN 2.6.3, 28×28 images of 4 channels
/// and stride 2, it wrote 2,784 bytes past the end.
static size_t missing_scratchpad_bytes(const onednn_convolution &c) {
    const int axes = c.source.rank - 2;
    int64_t kernel = 1, stride = 1, positions = 1;
    for (int axis = 0; axis < axes; axis++) {
        kernel *= c.weights.lengths[c.weights.rank - axes + axis];
        stride *= c.stride[axis];
        positions *= c.destination.lengths[2 + axis];
    }
    if (kernel != 1 || stride == 1) return 0;
    const int64_t largest_register = 16, channels = c.weights.lengths[c.weights.rank - axes - 1];
    return (largest_register - channels % largest_register) % largest_register * positions * sizeof(float);
}

onednn_primitive *onednn_convolution_backward_weights(const onednn_convolution *c, int workers) {
    return guarded([&] {
        memory::desc bias({c->destination.lengths[1]}, memory::data_type::f32, memory::format_tag::a);
        onednn_convolution forward = *c;
        forward.weights.type = c->source.type;
        auto d = c->has_bias
            ? ONEDNN_DESCRIBE_BACKWARD(
                  dnnl::convolution_backward_weights, attributes(), describe_forward(forward), algorithm::convolution_direct,
                  describe(c->source), describe(c->weights), bias, describe(c->destination), along(c->source, c->stride), gaps(*c),
                  along(c->source, c->padding_before), along(c->source, c->padding_after))
            : ONEDNN_DESCRIBE_BACKWARD(
                  dnnl::convolution_backward_weights, attributes(), describe_forward(forward), algorithm::convolution_direct,
                  describe(c->source), describe(c->weights), describe(c->destination), along(c->source, c->stride), gaps(*c),
                  along(c->source, c->padding_before), along(c->source, c->padding_after));
        std::vector<argument> arguments = {
            {DNNL_ARG_SRC, d.src_desc()}, {DNNL_ARG_DIFF_DST, d.diff_dst_desc()}, {DNNL_ARG_DIFF_WEIGHTS, d.diff_weights_desc()}};
        if (c->has_bias) arguments.push_back({DNNL_ARG_DIFF_BIAS, d.diff_bias_desc()});
        auto *result = make<dnnl::convolution_backward_weights>(d, arguments, workers);
        result->scratchpad_bytes += missing_scratchpad_bytes(*c);
        return result;
    });
}

onednn_primitive *onednn_pooling_forward(const onednn_pooling *p, int workers) {
    return guarded([&] {
        auto d = describe_forward(*p);
        std::vector<argument> arguments = {{DNNL_ARG_SRC, d.src_desc()}, {DNNL_ARG_DST, d.dst_desc()}};
        if (p->kind == ONEDNN_POOL_MAX) arguments.push_back({DNNL_ARG_WORKSPACE, d.workspace_desc()});
        return make<dnnl::pooling_forward>(d, arguments, workers);
    });
}

onednn_primitive *onednn_pooling_backward(const onednn_pooling *p, int workers) {
    return guarded([&] {
        auto hint = describe_forward(*p);
#if DNNL_VERSION_MAJOR >= 3
        dnnl::pooling_backward::primitive_desc d(
            engine(), pool_algorithm(p->kind), describe(p->source), describe(p->destination), along(p->source, p->stride),
            along(p->source, p->window), memory::dims(p->source.rank - 2, 0), along(p->source, p->padding_before),
            along(p->source, p->padding_after), hint, attributes());
#else
        auto d = ONEDNN_DESCRIBE_BACKWARD(
            dnnl::pooling_backward, attributes(), hint, pool_algorithm(p->kind), describe(p->source), describe(p->destination),
            along(p->source, p->stride), along(p->source, p->window), along(p->source, p->padding_before), along(p->source, p->padding_after));
#endif
        std::vector<argument> arguments = {{DNNL_ARG_DIFF_DST, d.diff_dst_desc()}, {DNNL_ARG_DIFF_SRC, d.diff_src_desc()}};
        if (p->kind == ONEDNN_POOL_MAX) arguments.push_back({DNNL_ARG_WORKSPACE, hint.workspace_desc()});
        return make<dnnl::pooling_backward>(d, arguments, workers);
    });
}

onednn_primitive *onednn_reorder(const onednn_layout *source, const onednn_layout *destination, int workers) {
    return guarded([&] {
        dnnl::reorder::primitive_desc d(engine(), source->description, engine(), destination->description, attributes());
        return make<dnnl::reorder>(d, {{DNNL_ARG_FROM, source->description}, {DNNL_ARG_TO, destination->description}}, workers);
    });
}

void onednn_primitive_destroy(onednn_primitive *primitive) { delete primitive; }

onednn_layout *onednn_primitive_layout(const onednn_primitive *primitive, int index) {
    return new onednn_layout{primitive->layouts[index]};
}

size_t onednn_primitive_scratchpad_bytes(const onednn_primitive *primitive) { return primitive->scratchpad_bytes; }

size_t onednn_primitive_multiply_adds(const onednn_primitive *primitive) {
    const auto &arguments = primitive->workers.front().arguments;
    auto lengths = [&](std::initializer_list<int> ids) {
        for (size_t i = 0; i < arguments.size(); i++)
            for (int id : ids)
                if (arguments[i].arg == id) return ONEDNN_LENGTHS(primitive->layouts[i]);
        return memory::dims{0};
    };
    auto count = [](const memory::dims &lengths) {
        size_t product = 1;
        for (auto length : lengths) product *= size_t(length);
        return product;
    };
    switch (primitive->primitive.get_kind()) {
    case dnnl::primitive::kind::matmul:
        return count(lengths({DNNL_ARG_DST})) * size_t(lengths({DNNL_ARG_SRC}).back());
    case dnnl::primitive::kind::convolution: {
        auto destination = lengths({DNNL_ARG_DST, DNNL_ARG_DIFF_DST});
        return count(destination) / size_t(destination[1]) * count(lengths({DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_WEIGHTS}));
    }
    default: return 0;
    }
}

int onednn_execute(onednn_primitive *primitive, int worker, void *const *arguments) {
    worker_arguments &own = primitive->workers[worker];
    for (size_t i = 0; i < own.memories.size(); i++) {
        if (dnnl_memory_set_data_handle(own.arguments[i].memory, arguments[i]) != dnnl_success) return 1;
    }
    dnnl_status_t status =
        dnnl_primitive_execute(primitive->primitive.get(), own.stream.get(), int(own.arguments.size()), own.arguments.data());
    return status == dnnl_success ? 0 : 1;
}

} // extern "C"
