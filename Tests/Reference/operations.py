"""Values and gradients of every operation, computed by PyTorch in float64. Writes Tests/Fixtures/operations.h5 and, for operands that
are bfloat16 numbers, operations_bf16.h5."""

import itertools
import math

import numpy
import torch
import torch.nn.functional as F

from fixtures import FixtureFile, Source, bfloat16, exact, images_first, images_last, magnitude

CASES = {}


def case(name, operation, inputs, function, differentiable=None, **attributes):
    """Registers a case.

    inputs        takes a Source and returns the list of input arrays
    function      takes the inputs as float64 tensors and returns an output, a list of outputs, or (outputs, extra arrays)
    differentiable  how many of the leading inputs get a gradient; by default every floating-point input does
    """
    assert name not in CASES, name
    CASES[name] = (operation, inputs, function, differentiable, attributes)


def compute(name, arrays, upstream, dtype):
    """Outputs, gradients and extra results in the given precision; upstream gradients come from a function of the outputs."""
    _, _, function, differentiable, _ = CASES[name]
    if differentiable is None:
        differentiable = sum(array.dtype.kind == "f" for array in arrays)
    tensors = [exact(array, dtype) for array in arrays]
    for tensor in tensors[:differentiable]:
        tensor.requires_grad_()
    result = function(*tensors)
    outputs, extra = result if isinstance(result, tuple) else (result, {})
    if isinstance(outputs, torch.Tensor):
        outputs = [outputs]
    gradients = torch.autograd.grad(outputs, tensors[:differentiable], [exact(g, dtype) for g in upstream(outputs)])
    return {"outputs": outputs, "gradients": gradients, "extra": extra}


def same(array):
    return array


def write(file, name, rounded=same, cancellation=2 ** 20):
    """Writes a case whose inputs and upstream gradients go through `rounded`; for `cancellation` see `magnitude`."""
    operation, make_inputs, _, _, attributes = CASES[name]
    source = Source(name)
    arrays = [rounded(array) for array in make_inputs(source)]
    output_gradients = []

    def upstream(outputs):
        if not output_gradients:
            output_gradients.extend(rounded(source.normal(*output.shape)) for output in outputs)
        return output_gradients

    results = compute(name, arrays, upstream, torch.float64)
    single = compute(name, arrays, upstream, torch.float32)

    magnitudes = {}
    for index, array in enumerate(arrays):
        file.array(f"{name}/inputs/{index}", array)
    for index, gradient in enumerate(output_gradients):
        file.array(f"{name}/output_gradients/{index}", gradient)
    for kind, values in results.items():
        for key, value in values.items() if kind == "extra" else enumerate(values):
            file.array(f"{name}/{kind}/{key}", value)
            magnitudes[f"{kind}/{key}"] = magnitude(value, single[kind][key], cancellation)
    file.group(name, operation=operation, attributes=attributes, magnitudes=magnitudes)


# Elementwise

BINARY = {
    "add": torch.add,
    "subtract": torch.subtract,
    "multiply": torch.multiply,
    "divide": torch.divide,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}
BROADCASTS = {
    "same": ((3, 5), (3, 5)),
    "one_element": ((1,), (1,)),
    "two_scalars": ((), ()),
    "scalar_right": ((3, 5), ()),
    "scalar_left": ((), (2, 7)),
    "trailing": ((2, 3, 4, 17), (17,)),
    "trailing_left": ((5,), (3, 2, 5)),
    "leading_one": ((1, 4, 3), (6, 4, 3)),
    "middle_one": ((2, 7, 5), (2, 1, 5)),
    "both_sides": ((4, 1, 3), (1, 5, 1)),
    "both_sides_odd": ((7, 1, 1, 5), (3, 2, 1)),
}
for operation, function in BINARY.items():
    for broadcast, (left, right) in BROADCASTS.items():
        case(
            f"{operation}_{broadcast}", operation,
            lambda s, left=left, right=right: [s.normal(*left), s.away_from_zero(*right)],
            function,
        )


def leaky_relu(slope):
    return lambda x: F.leaky_relu(x, slope)


def swish(beta):
    return lambda x: x * torch.sigmoid(beta * x)


def power(exponent):
    return lambda x: torch.pow(x, exponent)


ANY, NONZERO, POSITIVE, WIDE = "any", "nonzero", "positive", "wide"
UNARY = [
    ("negate", torch.neg, ANY, {}),
    ("exp", torch.exp, ANY, {}),
    ("log", torch.log, POSITIVE, {}),
    ("sqrt", torch.sqrt, POSITIVE, {}),
    ("square", torch.square, ANY, {}),
    ("abs", torch.abs, NONZERO, {}),
    ("reciprocal", torch.reciprocal, NONZERO, {}),
    ("tanh", torch.tanh, ANY, {}),
    ("sigmoid", torch.sigmoid, ANY, {}),
    ("relu", torch.relu, ANY, {}),
    ("leaky_relu", leaky_relu(0.01), ANY, {"slope": 0.01}),
    ("leaky_relu", leaky_relu(0.25), ANY, {"slope": 0.25}),
    ("relu6", F.relu6, WIDE, {}),
    ("hard_swish", F.hardswish, WIDE, {}),
    ("silu", F.silu, ANY, {}),
    ("swish", swish(1.0), ANY, {"beta": 1.0}),
    ("swish", swish(1.5), ANY, {"beta": 1.5}),
    ("gelu", F.gelu, ANY, {}),
    ("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), ANY, {}),
    ("softplus", lambda x: torch.logaddexp(x, torch.zeros_like(x)), ANY, {}),
    ("power", power(2.0), ANY, {"exponent": 2.0}),
    ("power", power(3.0), ANY, {"exponent": 3.0}),
    ("power", power(0.5), POSITIVE, {"exponent": 0.5}),
    ("power", power(-1.5), POSITIVE, {"exponent": -1.5}),
]
UNARY_SHAPES = {"scalar": (), "one_element": (1,), "odd": (3, 5, 7), "wide": (2, 64)}


def unary_input(source, domain, shape):
    if domain == ANY:
        return source.normal(*shape, scale=2.0)
    if domain == WIDE:
        return source.normal(*shape, scale=6.0)
    if domain == NONZERO:
        return source.away_from_zero(*shape)
    return source.uniform(*shape, low=0.1, high=4.0)


for operation, function, domain, attributes in UNARY:
    suffix = "".join(f"_{value:g}" for value in attributes.values()).replace("-", "minus_").replace(".", "p")
    for shape_name, shape in UNARY_SHAPES.items():
        case(
            f"{operation}{suffix}_{shape_name}", operation,
            lambda s, domain=domain, shape=shape: [unary_input(s, domain, shape)],
            function, **attributes,
        )

# Where a naive formula overflows or cancels.
EXTREMES = {
    "very_negative": [-1000, -120, -90, -30, -15, -6],
    "near_zero": [-1e-2, -1e-3, -1e-6, 1e-6, 1e-3, 1e-2],
    "large": [6, 8, 10, 15, 30],
    "very_large": [90, 120, 1000],
}
for operation, function in [
    ("tanh", torch.tanh), ("sigmoid", torch.sigmoid), ("silu", F.silu), ("gelu", F.gelu),
    ("gelu_tanh", lambda x: F.gelu(x, approximate="tanh")),
    ("softplus", lambda x: torch.logaddexp(x, torch.zeros_like(x))),
]:
    for name, values in EXTREMES.items():
        case(f"{operation}_{name}", operation, lambda s, values=values: [numpy.float32(values)], function)


# Matrix products

def matmul(transpose_a, transpose_b):
    def apply(a, b):
        a = a.transpose(-1, -2) if transpose_a else a
        b = b.transpose(-1, -2) if transpose_b else b
        return a @ b
    return apply


MATMUL_SHAPES = {  # as if nothing were transposed
    "one_element": ((1, 1), (1, 1)),
    "2d": ((5, 7), (7, 3)),
    "2d_wide": ((16, 33), (33, 17)),
    "column": ((4, 6), (6, 1)),
    "row": ((1, 6), (6, 4)),
    "outer": ((5, 1), (1, 4)),
    "batched_3d": ((3, 4, 5), (3, 5, 6)),
    "batched_4d": ((2, 3, 4, 5), (2, 3, 5, 7)),
    "weights_2d": ((2, 5, 8), (8, 3)),
    "weights_2d_left": ((3, 8), (2, 8, 5)),
    "broadcast_batch": ((2, 1, 4, 3), (5, 3, 2)),
    "batch_of_one": ((1, 4, 3), (6, 3, 5)),
}


def swapped(shape, swap):
    return (*shape[:-2], shape[-1], shape[-2]) if swap else shape


for name, (a, b) in MATMUL_SHAPES.items():
    for transpose_a, transpose_b in itertools.product([False, True], repeat=2):
        suffix = ("_transpose_a" if transpose_a else "") + ("_transpose_b" if transpose_b else "")
        case(
            f"matmul_{name}{suffix}", "matmul",
            lambda s, a=swapped(a, transpose_a), b=swapped(b, transpose_b): [s.normal(*a), s.normal(*b)],
            matmul(transpose_a, transpose_b), transpose_a=transpose_a, transpose_b=transpose_b,
        )

for name, shape, width in [
    ("one_element", (1, 1), 1), ("2d", (4, 6), 3), ("tokens", (2, 5, 16), 33), ("4d", (2, 3, 1, 7), 4), ("vector", (6,), 2),
]:
    for bias in [True, False]:
        case(
            f"linear_{name}" + ("" if bias else "_no_bias"), "linear",
            lambda s, shape=shape, width=width, bias=bias:
                [s.normal(*shape), s.normal(width, shape[-1])] + ([s.normal(width)] if bias else []),
            F.linear, bias=bias,
        )


# Convolution and pooling

def resolved_padding(padding, size, kernel, stride, dilation=(1, 1)):
    """[top, bottom, left, right]; "same" is TensorFlow's: ceil(size / stride) outputs, the odd pixel below and to the right."""
    if padding == "valid":
        return [0, 0, 0, 0]
    if padding != "same":
        return padding
    result = []
    for axis in range(2):
        outputs = math.ceil(size[axis] / stride[axis])
        total = max((outputs - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - size[axis], 0)
        result += [total // 2, total - total // 2]
    return result


def padded(x, padding, mode="constant", value=0.0):
    """Pads [N, C, H, W] by [top, bottom, left, right]."""
    top, bottom, left, right = padding
    if padding == [0, 0, 0, 0]:
        return x
    if mode == "reflect":
        return F.pad(x, (left, right, top, bottom), mode="reflect")
    return F.pad(x, (left, right, top, bottom), value=value)


def conv2d(name, image, outputs, kernel, stride=(1, 1), padding="valid", border="zero", dilation=(1, 1), groups=1, bias=True):
    def apply(x, weight, bias=None):
        pads = resolved_padding(padding, x.shape[1:3], kernel, stride, dilation)
        x = padded(images_first(x), pads, mode="reflect" if border == "reflect" else "constant")
        return images_last(F.conv2d(x, weight, bias, stride=stride, dilation=dilation, groups=groups))

    case(
        f"conv2d_{name}", "conv2d",
        lambda s: [s.normal(*image), s.normal(outputs, image[3] // groups, *kernel, scale=0.5)] + ([s.normal(outputs)] if bias else []),
        apply, stride=list(stride), padding=padding, border=border, dilation=list(dilation), groups=groups, bias=bias,
    )


conv2d("one_element", (1, 1, 1, 1), 1, (1, 1))
conv2d("valid", (2, 6, 5, 3), 4, (3, 3))
conv2d("valid_no_bias", (2, 6, 5, 3), 4, (3, 3), bias=False)
conv2d("whole_image", (2, 4, 5, 3), 7, (4, 5))
conv2d("padded", (2, 7, 7, 3), 4, (3, 3), padding=[1, 1, 1, 1])
conv2d("padded_stride2", (2, 8, 8, 3), 5, (3, 3), stride=(2, 2), padding=[1, 1, 1, 1])
conv2d("padded_stride2_odd", (2, 7, 9, 3), 5, (3, 3), stride=(2, 2), padding=[1, 1, 1, 1])
conv2d("padded_asymmetric", (2, 6, 7, 2), 3, (3, 4), padding=[0, 2, 1, 3])
conv2d("unused_border", (1, 8, 8, 2), 3, (3, 3), stride=(3, 3))
conv2d("same", (2, 5, 6, 3), 4, (3, 3), padding="same")
conv2d("same_even_kernel", (1, 5, 6, 3), 4, (2, 4), padding="same")
conv2d("same_stride2", (2, 8, 8, 3), 4, (3, 3), stride=(2, 2), padding="same")
conv2d("same_stride2_odd", (2, 7, 9, 3), 4, (3, 3), stride=(2, 2), padding="same")
conv2d("same_stride2_5x5", (1, 8, 7, 1), 3, (5, 5), stride=(2, 2), padding="same")
conv2d("reflect", (2, 6, 5, 3), 4, (3, 3), padding=[1, 1, 1, 1], border="reflect")
conv2d("reflect_asymmetric", (1, 5, 6, 2), 3, (4, 3), padding=[2, 1, 0, 3], border="reflect")
conv2d("reflect_same_stride2", (1, 8, 8, 2), 3, (3, 3), stride=(2, 2), padding="same", border="reflect")
conv2d("dilation2", (2, 9, 8, 3), 4, (3, 3), dilation=(2, 2))
conv2d("dilation2_same", (1, 7, 7, 3), 4, (3, 3), padding="same", dilation=(2, 2))
conv2d("dilation_uneven_stride2", (1, 9, 9, 2), 3, (3, 2), stride=(2, 1), padding=[1, 1, 1, 1], dilation=(1, 3))
conv2d("groups2", (2, 6, 6, 4), 6, (3, 3), padding=[1, 1, 1, 1], groups=2)
conv2d("groups2_no_bias_stride2", (1, 7, 7, 4), 6, (3, 3), stride=(2, 2), padding=[1, 1, 1, 1], groups=2, bias=False)
conv2d("depthwise", (2, 6, 6, 5), 5, (3, 3), padding=[1, 1, 1, 1], groups=5)
conv2d("depthwise_16", (1, 7, 7, 16), 16, (3, 3), stride=(2, 2), padding=[1, 1, 1, 1], groups=16, bias=False)
conv2d("depthwise_multiplier2", (1, 6, 6, 3), 6, (3, 3), padding="same", groups=3)
conv2d("1x1", (2, 4, 5, 16), 17, (1, 1))
conv2d("1x1_no_bias", (2, 4, 5, 17), 16, (1, 1), bias=False)
conv2d("1x1_stride2", (2, 5, 6, 3), 8, (1, 1), stride=(2, 2))
conv2d("channels_1_to_16", (2, 7, 7, 1), 16, (3, 3), padding=[1, 1, 1, 1])
conv2d("channels_16_to_17", (1, 5, 5, 16), 17, (3, 3), padding=[1, 1, 1, 1])
conv2d("channels_17_to_1", (2, 5, 5, 17), 1, (3, 3), padding=[1, 1, 1, 1])
conv2d("channels_16", (2, 6, 6, 16), 16, (3, 3), padding=[1, 1, 1, 1], bias=False)
conv2d("kernel_1x3", (1, 4, 7, 3), 4, (1, 3), padding=[0, 0, 1, 1])
conv2d("kernel_5x2_stride_1x2", (1, 9, 6, 3), 4, (5, 2), stride=(1, 2))
conv2d("patches_4x4", (2, 8, 8, 3), 8, (4, 4), stride=(4, 4))
conv2d("lenet_5x5", (1, 9, 9, 1), 6, (5, 5), padding=[2, 2, 2, 2])


def max_pool(x, kernel, stride, padding):
    pads = resolved_padding(padding, x.shape[1:3], kernel, stride)
    return images_last(F.max_pool2d(padded(images_first(x), pads, value=-math.inf), kernel, stride))


def min_pool(x, kernel, stride, padding):
    return -max_pool(-x, kernel, stride, padding)


def average_pool(x, kernel, stride, padding, count_include_pad):
    pads = resolved_padding(padding, x.shape[1:3], kernel, stride)
    x = images_first(x)
    sums = F.avg_pool2d(padded(x, pads), kernel, stride, divisor_override=1)
    if count_include_pad:
        return images_last(sums / (kernel[0] * kernel[1]))
    return images_last(sums / F.avg_pool2d(padded(torch.ones_like(x), pads), kernel, stride, divisor_override=1))


POOLS = {
    "one_element": ((1, 1, 1, 1), (1, 1), (1, 1), "valid"),
    "2x2": ((2, 6, 6, 3), (2, 2), (2, 2), "valid"),
    "2x2_odd": ((2, 7, 5, 17), (2, 2), (2, 2), "valid"),
    "3x3_stride2_padded": ((2, 8, 8, 4), (3, 3), (2, 2), [1, 1, 1, 1]),
    "3x3_stride2_padded_odd": ((1, 7, 9, 16), (3, 3), (2, 2), [1, 1, 1, 1]),
    "overlapping": ((1, 6, 6, 3), (3, 3), (1, 1), "valid"),
    "overlapping_same": ((1, 6, 5, 3), (3, 3), (1, 1), "same"),
    "same_stride2": ((1, 7, 8, 3), (3, 3), (2, 2), "same"),
    "asymmetric": ((1, 5, 6, 2), (3, 2), (2, 1), [0, 1, 1, 0]),
}
for name, (image, kernel, stride, padding) in POOLS.items():
    arguments = {"kernel": list(kernel), "stride": list(stride), "padding": padding}
    inputs = lambda s, image=image: [s.normal(*image)]
    case(f"max_pool_{name}", "max_pool", inputs, lambda x, a=arguments: max_pool(x, **a), **arguments)
    case(f"min_pool_{name}", "min_pool", inputs, lambda x, a=arguments: min_pool(x, **a), **arguments)
    for include in [True, False]:
        a = {**arguments, "count_include_pad": include}
        suffix = "_include_pad" if include else "_exclude_pad"
        case(f"average_pool_{name}{suffix}", "average_pool", inputs, lambda x, a=a: average_pool(x, **a), **a)
# All negative: a border of zeros would win.
case(
    "max_pool_negative_padded", "max_pool", lambda s: [s.uniform(1, 4, 4, 3, low=-3, high=-1)],
    lambda x: max_pool(x, (3, 3), (2, 2), [1, 1, 1, 1]), kernel=[3, 3], stride=[2, 2], padding=[1, 1, 1, 1],
)
for name, image in {"one_element": (1, 1, 1, 1), "odd": (2, 5, 7, 3), "wide": (2, 7, 7, 17)}.items():
    inputs = lambda s, image=image: [s.normal(*image)]
    case(f"global_average_pool_{name}", "global_average_pool", inputs, lambda x: x.mean((1, 2)))
    case(f"global_max_pool_{name}", "global_max_pool", inputs, lambda x: x.amax((1, 2)))


# Normalization

for width in [1, 7, 16, 192]:
    for epsilon in [1e-6, 1e-5]:
        for affine in [True, False]:
            suffix = ("_1e-6" if epsilon == 1e-6 else "_1e-5") + ("" if affine else "_plain")
            case(
                f"layer_norm_{width}{suffix}", "layer_norm",
                lambda s, width=width, affine=affine:
                    [s.normal(2, 3, width, scale=2.0, shift=0.5)] + ([s.normal(width, shift=1.0), s.normal(width)] if affine else []),
                lambda x, weight=None, bias=None, epsilon=epsilon: F.layer_norm(x, x.shape[-1:], weight, bias, epsilon),
                epsilon=epsilon, affine=affine,
            )
case(
    "layer_norm_one_row", "layer_norm", lambda s: [s.normal(16), s.normal(16), s.normal(16)],
    lambda x, weight, bias: F.layer_norm(x, (16,), weight, bias, 1e-6), epsilon=1e-6, affine=True,
)
case(  # the variance must not be computed as mean(x²) − mean(x)²
    "layer_norm_large_mean", "layer_norm",
    lambda s: [s.normal(3, 32, shift=300.0), s.normal(32), s.normal(32)],
    lambda x, weight, bias: F.layer_norm(x, (32,), weight, bias, 1e-6), epsilon=1e-6, affine=True,
)


def batch_norm_inputs(shape, scale=2.0, shift=0.5):
    channels = shape[-1]
    return lambda s: [
        s.normal(*shape, scale=scale, shift=shift), s.normal(channels, shift=1.0), s.normal(channels),
        s.normal(channels), s.uniform(channels, low=0.5, high=2.0),
    ]


def batch_norm(training, epsilon, momentum=0.1):
    def apply(x, weight, bias, running_mean, running_variance):
        mean, variance = running_mean.clone(), running_variance.clone()
        y = F.batch_norm(x.movedim(-1, 1), mean, variance, weight, bias, training, momentum, epsilon).movedim(1, -1)
        return (y, {"running_mean": mean, "running_variance": variance}) if training else y
    return apply


for name, shape in {
    "odd": (3, 5, 4, 7), "16": (8, 2, 3, 16), "one_channel": (2, 3, 3, 1), "vectors": (6, 5), "two_values": (2, 1, 1, 3),
}.items():
    for training in [True, False]:
        mode = "training" if training else "evaluation"
        case(
            f"batch_norm_{mode}_{name}", "batch_norm", batch_norm_inputs(shape), batch_norm(training, 1e-5),
            differentiable=3, training=training, epsilon=1e-5, momentum=0.1,
        )
case(
    "batch_norm_training_large_mean", "batch_norm", batch_norm_inputs((4, 4, 4, 5), scale=1.0, shift=100.0),
    batch_norm(True, 1e-5), differentiable=3, training=True, epsilon=1e-5, momentum=0.1,
)
case(
    "batch_norm_training_epsilon_1e-3", "batch_norm", batch_norm_inputs((4, 3, 3, 5), scale=0.05),
    batch_norm(True, 1e-3, 0.01), differentiable=3, training=True, epsilon=1e-3, momentum=0.01,
)

for name, shape, groups in [
    ("one_group", (2, 5, 3, 6), 1), ("by_channel", (3, 3, 5, 7), 7), ("odd", (3, 5, 4, 21), 3), ("width_16", (2, 4, 3, 16), 4),
    ("across_64", (2, 3, 3, 100), 5), ("tokens", (2, 5, 12), 3), ("vectors", (4, 10), 2), ("one_value", (3, 4), 4),
    ("one_channel", (2, 3, 4, 1), 1),
]:
    case(
        f"group_norm_{name}", "group_norm",
        lambda s, shape=shape: [s.normal(*shape, scale=2.0, shift=0.5), s.normal(shape[-1], shift=1.0), s.normal(shape[-1])],
        lambda x, weight, bias, groups=groups: F.group_norm(x.movedim(-1, 1), groups, weight, bias, 1e-5).movedim(1, -1),
        groups=groups, epsilon=1e-5,
    )
case(
    "group_norm_large_mean", "group_norm", lambda s: [s.normal(2, 4, 4, 6, shift=300.0), s.normal(6), s.normal(6)],
    lambda x, weight, bias: F.group_norm(x.movedim(-1, 1), 2, weight, bias, 1e-3).movedim(1, -1), groups=2, epsilon=1e-3,
)


for width in [1, 7, 64]:
    case(
        f"rms_norm_{width}", "rms_norm", lambda s, width=width: [s.normal(2, 3, width, scale=2.0, shift=0.5), s.normal(width, shift=1.0)],
        lambda x, weight: F.rms_norm(x, x.shape[-1:], weight, 1e-6), epsilon=1e-6,
    )
case("rms_norm_small", "rms_norm", lambda s: [s.normal(5, 16, scale=1e-3), s.normal(16)], lambda x, weight: F.rms_norm(x, (16,), weight, 1e-5), epsilon=1e-5)


# Softmax and losses

SOFTMAX = {
    "one_element": ((1, 1), 1), "odd": ((3, 7), 1), "tokens": ((2, 3, 4, 17), 3), "vector": ((5,), 0),
    "first_axis": ((5, 3), 0), "middle_axis": ((2, 6, 3), 1),
}
for name, (shape, axis) in SOFTMAX.items():
    for operation, function in [("softmax", torch.softmax), ("log_softmax", torch.log_softmax)]:
        case(
            f"{operation}_{name}", operation, lambda s, shape=shape: [s.normal(*shape, scale=2.0)],
            lambda x, f=function, axis=axis: f(x, axis), axis=axis,
        )
for operation, function in [("softmax", torch.softmax), ("log_softmax", torch.log_softmax)]:
    case(
        f"{operation}_large_logits", operation, lambda s: [s.normal(3, 9, scale=2.0, shift=1000.0)],
        lambda x, f=function: f(x, 1), axis=1,
    )

for name, rows, classes, scale in [("one_element", 1, 1, 1.0), ("one_row", 1, 5, 1.0), ("odd", 7, 10, 2.0), ("large_logits", 5, 17, 60.0)]:
    for smoothing in [0.0, 0.1]:
        case(
            f"cross_entropy_{name}_smoothing_{'0p1' if smoothing else '0'}", "cross_entropy",
            lambda s, rows=rows, classes=classes, scale=scale: [s.normal(rows, classes, scale=scale), s.integers(rows, below=classes)],
            lambda x, labels, smoothing=smoothing: F.cross_entropy(x, labels, label_smoothing=smoothing),
            label_smoothing=smoothing,
        )
for name, shape in {"one_element": (1,), "odd": (3, 7), "images": (2, 3, 3, 2)}.items():
    case(
        f"mean_squared_error_{name}", "mean_squared_error", lambda s, shape=shape: [s.normal(*shape), s.normal(*shape)],
        F.mse_loss, differentiable=1,
    )
    case(
        f"binary_cross_entropy_with_logits_{name}", "binary_cross_entropy_with_logits",
        lambda s, shape=shape: [s.normal(*shape, scale=2.0), s.uniform(*shape, low=0.0, high=1.0)],
        F.binary_cross_entropy_with_logits, differentiable=1,
    )
    case(
        f"binary_cross_entropy_{name}", "binary_cross_entropy",
        lambda s, shape=shape: [s.uniform(*shape, low=0.02, high=0.98), s.uniform(*shape, low=0.0, high=1.0)],
        F.binary_cross_entropy, differentiable=1,
    )
case(
    "binary_cross_entropy_with_logits_saturated", "binary_cross_entropy_with_logits",
    lambda s: [numpy.float32([-200, -50, -20, -1, 1, 20, 50, 200]), numpy.float32([0, 1, 0, 1, 0, 1, 0, 1])],
    F.binary_cross_entropy_with_logits, differentiable=1,
)


# Attention

def attention(scale):
    def apply(query, key, value):
        heads_second = [x.transpose(1, 2) for x in (query, key, value)]
        return F.scaled_dot_product_attention(*heads_second, scale=scale).transpose(1, 2)
    return apply


for name, batch, queries, keys, heads, width, scale in [
    ("one_element", 1, 1, 1, 1, 1, None),
    ("self", 2, 5, 5, 3, 8, None),
    ("odd", 1, 17, 17, 2, 7, None),
    ("one_head", 2, 4, 4, 1, 16, None),
    ("more_keys", 2, 3, 7, 2, 8, None),
    ("more_queries", 1, 9, 2, 3, 4, None),
    ("one_query", 2, 1, 6, 2, 8, None),
    ("scale", 2, 5, 5, 2, 8, 0.7),
    ("long", 1, 50, 50, 3, 16, None),
]:
    case(
        f"scaled_dot_product_attention_{name}", "scaled_dot_product_attention",
        lambda s, b=batch, q=queries, k=keys, h=heads, d=width: [s.normal(b, q, h, d), s.normal(b, k, h, d), s.normal(b, k, h, d)],
        attention(scale), scale=scale,
    )


def self_attention(heads, scale):
    def apply(packed):
        batch, tokens, width = packed.shape
        query, key, value = packed.reshape(batch, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value, scale=scale)
        return attended.transpose(1, 2).reshape(batch, tokens, width // 3)
    return apply


for name, shape, heads, scale in [
    ("scaled", (2, 7, 96), 2, None), ("unscaled", (2, 7, 96), 2, 1.0), ("unscaled_one_head", (3, 9, 24), 1, 1.0), ("unscaled_one_token", (2, 1, 12), 2, 1.0),
]:
    case(
        f"self_attention_{name}", "self_attention", lambda s, shape=shape: [s.normal(*shape)], self_attention(heads, scale),
        heads=heads, scale=scale,
    )


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011): four words for each row of counters [n, 4]."""
    c, k = [numpy.uint64(word) for word in numpy.asarray(counter, dtype=numpy.uint32).T], [numpy.uint64(word) for word in key]
    low, high = numpy.uint64(0xFFFFFFFF), numpy.uint64(32)
    for _ in range(10):
        first, second = c[0] * numpy.uint64(0xD2511F53), c[2] * numpy.uint64(0xCD9E8D57)
        c = [(second >> high) ^ c[1] ^ k[0], second & low, (first >> high) ^ c[3] ^ k[1], first & low]
        k = [(k[0] + numpy.uint64(0x9E3779B9)) & low, (k[1] + numpy.uint64(0xBB67AE85)) & low]
    return numpy.stack(c, axis=1)


def dropout_mask(shape, rate, key, step):
    """What dropout multiplies with: of each sample, elements in order, four a draw at the counter (number of the draw, sample, 0, step)."""
    elements = math.prod(shape[1:])
    counters = [(draw, sample, 0, step) for sample in range(shape[0]) for draw in range((elements + 3) // 4)]
    words = philox(counters, key).reshape(shape[0], -1)[:, :elements]
    kept = (words >> numpy.uint64(8)) >= int(numpy.float32(rate) * numpy.float32(1 << 24))
    return torch.from_numpy((kept / (1 - float(numpy.float32(rate)))).reshape(shape))


def general_attention(has_scale, has_bias, dropout, key, step):
    """softmax(scale · q kᵀ + bias) v with a mask on the probabilities; operands [B, N, H, d]."""
    def apply(query, key_, value, *more):
        more = list(more)
        query, key_, value = [x.transpose(1, 2) for x in (query, key_, value)]
        scale = more.pop(0) if has_scale else query.shape[-1] ** -0.5
        scores = scale * query @ key_.transpose(-1, -2)
        probabilities = (scores + more.pop(0) if has_bias else scores).softmax(-1)
        if dropout:
            probabilities = probabilities * dropout_mask(probabilities.shape, dropout, key, step).to(probabilities.dtype)
        return (probabilities @ value).transpose(1, 2)
    return apply


def image_mask(*images):
    """0 between tokens of one image of a sequence, −10⁹ elsewhere, [1, 1, N, N]."""
    numbers = numpy.repeat(numpy.arange(len(images)), images)
    return numpy.float32(numpy.where(numbers[:, None] == numbers[None, :], 0, -1e9))[None, None]


for name, batch, queries, keys, heads, width, scale, bias, dropout in [
    ("one_element", 1, 1, 1, 1, 1, False, None, 0.0), ("bias", 2, 5, 5, 3, 8, False, (1, 3, 5, 5), 0.0), ("bias_by_sample", 2, 5, 7, 2, 4, False, (2, 1, 5, 7), 0.0),
    ("scale", 2, 6, 6, 2, 8, True, None, 0.0), ("scale_bias", 1, 17, 17, 2, 7, True, (1, 2, 17, 17), 0.0), ("images", 1, 9, 9, 2, 8, False, image_mask(2, 4, 3), 0.0),
    ("dropout", 3, 5, 7, 2, 8, False, None, 0.25), ("everything", 2, 9, 9, 3, 8, True, (1, 3, 9, 9), 0.5),
]:
    case(
        f"attention_{name}", "attention",
        lambda s, b=batch, q=queries, k=keys, h=heads, d=width, scale=scale, bias=bias:
            [s.normal(b, q, h, d), s.normal(b, k, h, d), s.normal(b, k, h, d)] + ([s.uniform(1, low=0.2, high=0.6)] if scale else [])
            + ([] if bias is None else [s.normal(*bias) if isinstance(bias, tuple) else bias]),
        general_attention(scale, bias is not None, dropout, (0x243F6A88, 0x85A308D3), 3),
        scale=scale, bias=bias is not None, dropout=dropout, key=[0x243F6A88, 0x85A308D3], step=3,
    )


# Reductions

REDUCTIONS = {
    "sum": torch.sum,
    "mean": torch.mean,
    "max": torch.amax,
    "variance": lambda x, axes, keepdim: torch.var(x, axes, correction=0, keepdim=keepdim),
}
REDUCTION_AXES = {
    "one_element": ((1,), [0]), "vector": ((17,), [0]), "first": ((3, 4, 5), [0]), "last": ((3, 4, 5), [2]), "middle": ((3, 4, 5), [1]),
    "several": ((2, 3, 4, 5), [1, 2]), "outer": ((2, 3, 4, 5), [0, 3]), "all": ((3, 5, 7), [0, 1, 2]),
    "one_wide": ((4, 1, 3), [1]),
}
for operation, function in REDUCTIONS.items():
    for name, (shape, axes) in REDUCTION_AXES.items():
        for keep in [True, False]:
            case(
                f"{operation}_{name}" + ("_keep" if keep else ""), operation, lambda s, shape=shape: [s.normal(*shape)],
                lambda x, f=function, axes=axes, keep=keep: f(x, axes, keepdim=keep), axes=axes, keep_dimensions=keep,
            )


# Shape

for name, shape, result in [
    ("flatten", (2, 3, 4, 5), (2, 60)), ("tokens", (2, 3, 4, 5), (2, 12, 5)), ("heads", (2, 3, 12), (2, 3, 3, 2, 2)),
    ("scalar", (1, 1), ()), ("from_scalar", (), (1,)), ("same", (3, 2), (3, 2)),
]:
    case(
        f"reshape_{name}", "reshape", lambda s, shape=shape: [s.normal(*shape)],
        lambda x, result=result: x.reshape(result), shape=list(result),
    )
for shape, permutation in [
    ((1,), (0,)), ((3, 5), (1, 0)), ((2, 3, 5), (0, 2, 1)), ((2, 3, 5), (2, 0, 1)), ((2, 4, 3, 5), (0, 2, 1, 3)),
    ((2, 4, 3, 5), (0, 3, 1, 2)), ((2, 4, 3, 5), (0, 1, 2, 3)), ((2, 3, 4, 2, 5), (2, 0, 3, 1, 4)),
]:
    case(
        "transpose_" + "".join(map(str, permutation)), "transpose", lambda s, shape=shape: [s.normal(*shape)],
        lambda x, p=permutation: x.permute(p), permutation=list(permutation),
    )
for name, shapes, axis in [
    ("one_element", [(1,), (1,), (1,)], 0), ("first", [(1, 3), (2, 3), (4, 3)], 0), ("tokens", [(2, 1, 5), (2, 4, 5), (2, 2, 5)], 1),
    ("channels", [(2, 3, 3, 1), (2, 3, 3, 4), (2, 3, 3, 2)], 3), ("pair", [(2, 3), (2, 5)], 1), ("alone", [(2, 3)], 1),
]:
    case(
        f"concatenate_{name}", "concatenate", lambda s, shapes=shapes: [s.normal(*shape) for shape in shapes],
        lambda *x, axis=axis: torch.cat(x, axis), axis=axis,
    )
for name, shape, starts, ends, steps in [
    ("one_element", (1,), [0], [1], [1]), ("row", (4, 5), [2, 0], [3, 5], [1, 1]), ("window", (5, 6, 3), [1, 2, 0], [4, 6, 3], [1, 1, 1]),
    ("class_token", (2, 5, 7), [0, 0, 0], [2, 1, 7], [1, 1, 1]), ("subsample", (2, 5, 6, 3), [0, 0, 0, 0], [2, 5, 6, 3], [1, 2, 2, 1]),
    ("steps_offset", (9, 8), [1, 2], [8, 7], [3, 2]), ("everything", (3, 4), [0, 0], [3, 4], [1, 1]),
]:
    case(
        f"slice_{name}", "slice", lambda s, shape=shape: [s.normal(*shape)],
        lambda x, starts=starts, ends=ends, steps=steps: x[tuple(map(slice, starts, ends, steps))],
        starts=starts, ends=ends, steps=steps,
    )
for name, image, padding, mode, value in [
    ("one_element", (1, 1, 1, 1), [1, 1, 1, 1], "constant", 0.0), ("zero", (2, 3, 4, 3), [1, 1, 1, 1], "constant", 0.0),
    ("asymmetric", (1, 3, 5, 2), [0, 2, 3, 1], "constant", 0.0), ("value", (1, 4, 3, 2), [2, 0, 1, 1], "constant", -1.5),
    ("reflect", (2, 4, 5, 3), [1, 1, 1, 1], "reflect", 0.0), ("reflect_asymmetric", (1, 4, 5, 2), [3, 0, 1, 4], "reflect", 0.0),
]:
    attributes = {"padding": padding, "mode": mode} | ({"value": value} if mode == "constant" else {})
    case(
        f"pad_{name}", "pad", lambda s, image=image: [s.normal(*image)],
        lambda x, p=padding, m=mode, v=value: images_last(padded(images_first(x), p, m, v)), **attributes,
    )
for name, table, indices in [
    ("one_element", (1, 1), (1,)), ("repeated", (4, 7), (9,)), ("tokens", (6, 16), (2, 5)), ("scalar_index", (5, 3), ()),
]:
    case(
        f"gather_{name}", "gather", lambda s, t=table, i=indices: [s.normal(*t), s.integers(*i, below=t[0])],
        lambda table, indices: table[indices],
    )
for name, shape, result in [
    ("scalar", (), (2, 3)), ("one_element", (1,), (1,)), ("trailing", (5,), (3, 2, 5)), ("leading_one", (1, 4), (6, 4)),
    ("middle_one", (2, 1, 5), (2, 7, 5)), ("class_token", (1, 1, 16), (4, 1, 16)), ("many", (3, 1, 1), (2, 3, 4, 5)),
]:
    case(
        f"broadcast_to_{name}", "broadcast_to", lambda s, shape=shape: [s.normal(*shape)],
        lambda x, result=result: x.expand(result), shape=list(result),
    )
for name, shape, axis, distance in [
    ("one_element", (1,), 0, 1), ("window", (2, 7, 5, 3), 1, -3), ("columns", (2, 7, 5, 3), 2, 2), ("whole", (3, 4), 1, 4), ("around", (2, 5), 1, -13),
]:
    case(
        f"roll_{name}", "roll", lambda s, shape=shape: [s.normal(*shape)], lambda x, axis=axis, d=distance: torch.roll(x, d, axis), axis=axis, distance=distance,
    )
for name, shape, axis, sizes in [
    ("one_element", (1,), 0, [1]), ("qkv", (2, 5, 12), 2, [4, 4, 4]), ("uneven", (7, 3), 0, [1, 4, 2]), ("middle", (2, 6, 3), 1, [5, 1]),
]:
    case(
        f"split_{name}", "split", lambda s, shape=shape: [s.normal(*shape)],
        lambda x, axis=axis, sizes=sizes: list(torch.split(x, sizes, axis)), axis=axis, sizes=sizes,
    )

for name, shape, groups in [("one_element", (1, 1), 1), ("images", (2, 3, 2, 6), 3), ("pairs", (1, 2, 2, 8), 4), ("rows", (3, 10), 2)]:
    case(
        f"channel_shuffle_{name}", "channel_shuffle", lambda s, shape=shape: [s.normal(*shape)],
        lambda x, g=groups: x.reshape(*x.shape[:-1], g, -1).transpose(-1, -2).reshape(x.shape), groups=groups,
    )

# Transposed convolution, resizing, norms of decoders and of newer networks

for name, image, outputs, kernel, stride, padding, more, dilation, groups, bias in [
    ("one_element", (1, 1, 1, 1), 1, 1, 1, 0, 0, 1, 1, True), ("unet", (2, 3, 4, 6), 3, 2, 2, 0, 0, 1, 1, True),
    ("stride1", (1, 4, 3, 2), 5, 3, 1, 1, 0, 1, 1, False), ("gan", (2, 3, 3, 4), 2, 4, 2, 1, 0, 1, 1, False),
    ("output_padding", (1, 3, 4, 2), 3, 3, 2, 1, 1, 1, 1, True), ("dilated", (1, 3, 3, 2), 2, 3, 1, 1, 0, 2, 1, True),
    ("groups", (2, 3, 2, 4), 6, 3, 2, 1, 1, 1, 2, True), ("unused", (1, 3, 3, 2), 2, 2, 3, 0, 2, 1, 1, False),
]:
    case(
        f"conv_transpose2d_{name}", "conv_transpose2d",
        lambda s, image=image, o=outputs, k=kernel, g=groups, b=bias: [s.normal(*image), s.normal(image[3], o // g, k, k)] + ([s.normal(o)] if b else []),
        lambda x, w, *b, stride=stride, p=padding, m=more, d=dilation, g=groups: images_last(
            F.conv_transpose2d(images_first(x), w, b[0] if b else None, stride, p, m, g, d)),
        stride=stride, padding=padding, output_padding=more, dilation=dilation, groups=groups, bias=bias,
    )
for mode in ["bilinear", "bicubic"]:
    for name, image, size, antialias in [
        ("one_element", (1, 1, 1, 1), (1, 1), False), ("double", (2, 3, 4, 2), (6, 8), False), ("up", (1, 4, 5, 3), (7, 9), False),
        ("down", (1, 7, 6, 2), (3, 4), False), ("rows", (1, 5, 4, 2), (3, 4), False), ("antialias_down", (2, 9, 7, 2), (4, 3), True),
        ("antialias_up", (1, 3, 4, 2), (7, 6), True), ("antialias_mixed", (1, 8, 3, 1), (3, 8), True),
    ]:
        case(
            f"resize_{mode}_{name}", "resize", lambda s, image=image: [s.normal(*image)],
            lambda x, size=size, mode=mode, antialias=antialias: images_last(
                F.interpolate(images_first(x), size, mode=mode, align_corners=False, antialias=antialias)),
            size=list(size), mode=mode, antialias=antialias,
        )
for name, image in [("images", (2, 4, 3, 5)), ("small", (3, 2, 2, 4))]:
    case(
        f"instance_norm_{name}", "instance_norm", lambda s, image=image: [s.normal(*image), s.normal(image[3]), s.normal(image[3])],
        lambda x, w, b: images_last(F.instance_norm(images_first(x), weight=w, bias=b, eps=1e-5)), epsilon=1e-5,
    )


def global_response_norm(x, scale, offset):
    """As the authors' code has it."""
    norms = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
    return x + scale * x * (norms / (norms.mean(-1, keepdim=True) + 1e-6)) + offset


for name, image in [("one_element", (1, 1, 1, 1)), ("images", (2, 4, 3, 5)), ("row", (3, 1, 7, 2))]:
    case(
        f"global_response_norm_{name}", "global_response_norm",
        lambda s, image=image: [s.normal(*image), s.normal(image[3]), s.normal(image[3])], global_response_norm, epsilon=1e-6,
    )


def some_cases(count=4):
    """The names of up to `count` cases of every operation, spread over all that it has."""
    by_operation = {}
    for name in sorted(CASES):
        by_operation.setdefault(CASES[name][0], []).append(name)
    return sorted({names[i * len(names) // count] for names in by_operation.values() for i in range(count)})


if __name__ == "__main__":
    with FixtureFile("operations_bf16.h5") as file:
        for name in some_cases():
            write(file, name, rounded=bfloat16, cancellation=2 ** 22)
    with FixtureFile("operations.h5") as file:
        for name in sorted(CASES):
            write(file, name)
    print(f"{len(CASES)} cases of {len({operation for operation, *_ in CASES.values()})} operations")
