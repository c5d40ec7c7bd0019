"""Values and gradients of the operations on volumes, [N, D, H, W, C], in the manner of operations.py. Writes Tests/Fixtures/volumes.h5 and, for
operands that are bfloat16 numbers, volumes_bf16.h5."""

import math

import torch
import torch.nn.functional as F

import operations
from fixtures import FixtureFile, bfloat16
from operations import batch_norm, batch_norm_inputs, case

operations.CASES.clear()


def first(x):
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def resolved(padding, size, kernel, stride, dilation):
    """[before, after] of each axis; "same" as in operations.py."""
    if padding == "valid":
        return [[0, 0]] * 3
    if padding != "same":
        return padding
    result = []
    for length, window, step, gap in zip(size, kernel, stride, dilation):
        total = max((math.ceil(length / step) - 1) * step + (window - 1) * gap + 1 - length, 0)
        result.append([total // 2, total - total // 2])
    return result


def padded(x, pads, value=0.0):
    return F.pad(x, [number for pair in reversed(pads) for number in pair], value=value)


def conv3d(name, volume, outputs, kernel, stride=(1, 1, 1), padding="valid", dilation=(1, 1, 1), groups=1, bias=True):
    def apply(x, weight, bias=None):
        pads = resolved(padding, x.shape[1:4], kernel, stride, dilation)
        return last(F.conv3d(padded(first(x), pads), weight, bias, stride=stride, dilation=dilation, groups=groups))

    flat = padding if isinstance(padding, str) else [number for pair in padding for number in pair]
    case(
        f"conv3d_{name}", "conv3d",
        lambda s: [s.normal(*volume), s.normal(outputs, volume[4] // groups, *kernel, scale=0.5)] + ([s.normal(outputs)] if bias else []),
        apply, stride=list(stride), padding=flat, dilation=list(dilation), groups=groups, bias=bias,
    )


ONE = [[1, 1]] * 3
conv3d("valid", (2, 4, 5, 3, 3), 4, (3, 2, 3))
conv3d("padded_asymmetric", (1, 3, 4, 5, 2), 3, (2, 3, 4), padding=[[0, 1], [2, 0], [1, 3]])
conv3d("padded_stride2_odd", (2, 5, 7, 6, 3), 5, (3, 3, 3), stride=(2, 2, 2), padding=ONE)
conv3d("same_stride2", (1, 5, 4, 7, 2), 3, (3, 3, 3), stride=(2, 1, 2), padding="same")
conv3d("dilation", (1, 6, 7, 5, 2), 3, (2, 3, 2), padding=ONE, dilation=(2, 1, 3))
conv3d("groups2", (2, 3, 4, 4, 4), 6, (3, 3, 3), padding=ONE, groups=2)
conv3d("depthwise", (1, 4, 3, 5, 5), 5, (3, 3, 3), padding=ONE, groups=5)
conv3d("1x1x1_stride2", (2, 3, 4, 5, 3), 8, (1, 1, 1), stride=(2, 2, 2), bias=False)
conv3d("channels_1_to_16", (2, 4, 4, 4, 1), 16, (3, 3, 3), padding=ONE)
conv3d("channels_16_to_17", (1, 3, 3, 4, 16), 17, (2, 1, 2), padding=[[1, 0], [0, 0], [0, 1]])
conv3d("channels_32", (1, 2, 4, 3, 32), 32, (2, 1, 1), padding=[[1, 0], [0, 0], [0, 0]])
conv3d("stem", (1, 3, 9, 8, 3), 4, (3, 7, 7), stride=(1, 2, 2), padding=[[1, 1], [3, 3], [3, 3]], bias=False)

POOLS = {
    "2x2x2_odd": ((2, 5, 4, 3, 17), (2, 2, 2), (2, 2, 2), "valid"),
    "3x3x3_stride2_padded": ((2, 4, 5, 6, 4), (3, 3, 3), (2, 2, 2), ONE),
    "overlapping_same": ((1, 4, 5, 3, 3), (3, 3, 3), (1, 1, 1), "same"),
    "asymmetric": ((1, 3, 4, 5, 2), (2, 3, 2), (1, 2, 1), [[1, 0], [0, 1], [0, 1]]),
}
for name, (volume, kernel, stride, padding) in POOLS.items():
    flat = padding if isinstance(padding, str) else [number for pair in padding for number in pair]
    arguments = {"kernel": list(kernel), "stride": list(stride), "padding": flat}
    inputs = lambda s, volume=volume: [s.normal(*volume)]

    def pads(x, kernel=kernel, stride=stride, padding=padding):
        return resolved(padding, x.shape[1:4], kernel, stride, (1, 1, 1))

    def maximum(x, pads=pads, kernel=kernel, stride=stride):
        return last(F.max_pool3d(padded(first(x), pads(x), value=-math.inf), kernel, stride))

    case(f"max_pool3d_{name}", "max_pool3d", inputs, maximum, **arguments)
    for include in [True, False] if padding != "valid" else [True]:
        def average(x, pads=pads, kernel=kernel, stride=stride, include=include):
            sums = F.avg_pool3d(padded(first(x), pads(x)), kernel, stride, divisor_override=1)
            count = F.avg_pool3d(padded(torch.ones_like(first(x)), pads(x)), kernel, stride, divisor_override=1)
            return last(sums / (math.prod(kernel) if include else count))

        suffix = "_include_pad" if include else "_exclude_pad"
        case(f"average_pool3d_{name}{suffix}", "average_pool3d", inputs, average, **arguments, count_include_pad=include)

inputs = lambda s: [s.normal(2, 3, 4, 2, 5)]
case("global_average_pool_volume", "global_average_pool", inputs, lambda x: x.mean((1, 2, 3)))
case(
    "batch_norm_volume", "batch_norm", batch_norm_inputs((2, 3, 2, 4, 5)), batch_norm(True, 1e-5), differentiable=3, training=True, epsilon=1e-5, momentum=0.1,
)
case(
    "group_norm_volume", "group_norm", lambda s: [s.normal(2, 3, 2, 2, 6, scale=2.0, shift=0.5), s.normal(6, shift=1.0), s.normal(6)],
    lambda x, weight, bias: last(F.group_norm(first(x), 3, weight, bias, 1e-5)), groups=3, epsilon=1e-5,
)

if __name__ == "__main__":
    with FixtureFile("volumes.h5") as file:
        for name in operations.CASES:
            operations.write(file, name)
    with FixtureFile("volumes_bf16.h5") as file:
        for name in operations.some_cases(6):
            operations.write(file, name, rounded=bfloat16, cancellation=2 ** 22)
