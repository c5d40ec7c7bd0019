"""Writes Fixtures/zoo.json: names, shapes and logits of torchvision's networks, to which those of the same names are compared.

    python zoo.py            # in an environment with torch 2.13.0 and torchvision 0.28.0

Weights and images come from one formula, `values`, which the tests repeat, so that the fixture holds no weights.
"""

import json
import math
import pathlib

import numpy
import torch

from vision_libraries import torchvision

MASK = (1 << 64) - 1


def seed(name):
    """FNV-1a of the name's bytes."""
    result = 0xCBF29CE484222325
    for byte in name.encode():
        result = (result ^ byte) * 0x100000001B3 & MASK
    return result


def uniform(name, count):
    """Numbers of -1 up to but not 1: splitmix64 of the name's seed and the place."""
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(seed(name)) + (numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(1)) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    return (z >> numpy.uint64(40)).astype(numpy.float64) / (1 << 23) - 1


def values(name, shape):
    """A tensor's values by its name: weights scaled to their fan-in, norms near 1, everything else near 0."""
    draws = uniform(name, math.prod(shape))
    if name.endswith("running_var"):
        result = 1 + 0.5 * draws
    elif len(shape) > 1:
        result = draws * math.sqrt(6 / math.prod(shape[1:]))
    elif name.endswith("weight"):
        result = 1 + 0.25 * draws
    else:
        result = 0.1 * draws
    return torch.from_numpy(result.astype(numpy.float32).reshape(shape))


# The definition, torchvision's network, and the side of the images: odd ones meet the borders of strided windows.
CASES = [
    ({"alexnet": {}}, torchvision.models.alexnet, 101),
    ({"vgg": {"depth": 11, "norm": "batch"}}, torchvision.models.vgg11_bn, 67),
    ({"squeezenet": {"version": "1.0"}}, torchvision.models.squeezenet1_0, 70),
    ({"squeezenet": {}}, torchvision.models.squeezenet1_1, 67),
    ({"densenet": {"depth": 121, "stem": "7x7"}}, torchvision.models.densenet121, 75),
    ({"mobilenet_v2": {}}, torchvision.models.mobilenet_v2, 75),
    ({"mobilenet_v2": {"width_multiplier": 0.5}}, lambda **options: torchvision.models.mobilenet_v2(width_mult=0.5, **options), 65),
    ({"resnet": {"depth": 18, "stem": "7x7"}}, torchvision.models.resnet18, 75),
    ({"resnet": {"depth": 34, "stem": "7x7"}}, torchvision.models.resnet34, 65),
    ({"resnet": {"depth": 50, "kind": "imagenet", "stem": "7x7"}}, torchvision.models.resnet50, 75),
    ({"resnet": {"depth": 50, "kind": "imagenet", "stem": "7x7", "groups": 32, "width_per_group": 4}}, torchvision.models.resnext50_32x4d, 65),
]
CLASSES = 10


def case(definition, make, side):
    network = make(num_classes=CLASSES, **({"init_weights": False} if "vgg" in definition else {})).eval()
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    network.load_state_dict({name: values(name, tuple(tensor.shape)) for name, tensor in state.items()}, strict=False)
    images = values("images", (2, side, side, 3)).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = network(images)
    return {
        "definition": json.dumps(definition),
        "side": side,
        "tensors": [f"{name} {list(tensor.shape)}" for name, tensor in state.items()],
        "logits": [float(value) for value in logits.flatten()],
    }


if __name__ == "__main__":
    path = pathlib.Path(__file__).parent.parent / "Fixtures/zoo.json"
    path.write_text(json.dumps([case(*entry) for entry in CASES], indent=1) + "\n")
