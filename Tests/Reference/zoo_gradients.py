"""Writes Fixtures/zoo_gradients.json, zoo_hybrid_gradients.json and transformer_gradients.json: what is left of the gradients of a training-mode loss of
torchvision's and timm's networks, and of CCT as written in models.py, computed in float64.

    python zoo_gradients.py [NAME …]   # in an environment with torch 2.13.0, torchvision 0.28.0 and timm 1.0.31; without names all

Weights, images and directions come from the formula of zoo.py, but biases of networks with ReLU are 3 larger, and the last norms of bottlenecks scale by a
tenth: where many values lie near 0, float32 itself puts some on the other side of ReLU, and PyTorch's two precisions differ by some percent. Of each
parameter's gradient the fixture holds its norm, its product with a random direction, and 16 of its numbers, of the small
networks 4.
"""

import json
import math
import pathlib
import sys

import numpy
import torch
import torch.nn.functional as F
from models import CompactTransformer
from zoo import CLASSES, HYBRIDS, from_timm, torchvision, uniform, values

ENTRIES, FEW_ENTRIES = 16, 4
AUXILIARY_WEIGHT = 0.3


class ImagesFirst(CompactTransformer):
    """CCT-2/3×2 on `[N, C, H, W]`."""

    def __init__(self, num_classes):
        super().__init__(32, 2, 128, 2, 2, channels=3, classes=num_classes)

    def forward(self, images):
        return super().forward(images.permute(0, 2, 3, 1))


# The definition, the network, its arguments, how many images of which side, and whether it is without ReLU; then how many entries are kept, and the name of the
# images: GoogLeNet's are those of 40 with which the two largest values of no window of its many max-pools, and no value and 0 before a ReLU, are nearer than
# 7e-6 standard deviations: where they are 3e-6 apart, float32 chose another one than float64 on one kind of machine.
CONVOLUTIONAL = [
    ({"resnet": {"depth": 50, "kind": "imagenet", "stem": "7x7"}}, torchvision.models.resnet50, {}, 4, 64, False),
    ({"densenet": {"depth": 121, "stem": "7x7"}}, torchvision.models.densenet121, {}, 4, 64, False),
    ({"googlenet": {"auxiliary": True, "dropout": 0, "auxiliary_dropout": 0}}, torchvision.models.googlenet, {"init_weights": False, "dropout": 0.0, "dropout_aux": 0.0}, 4, 64, False, ENTRIES, "images 2"),
    ({"mobilenet_v2": {"dropout": 0}}, torchvision.models.mobilenet_v2, {"dropout": 0.0}, 4, 64, False),
]
TRANSFORMERS = [
    ({"vit": {"patch": 16, "width": 192, "depth": 12, "heads": 3}}, from_timm("vit_tiny_patch16_224"), {}, 2, 224, True),
    ({"swin": {"drop_path": 0}}, from_timm("swin_tiny_patch4_window7_224"), {"drop_path_rate": 0.0}, 2, 224, True),
    (
        {
            "backbone": {"resnet_standardized": {"blocks": [2, 2, 2, 2], "cut_after": "stage4"}},
            "transformer": {"width": 384, "depth": 12, "heads": 6},
        },
        from_timm("vit_small_r26_s32_224"), {}, 2, 224, False,
    ),
    ({"cct": {"convolutions": 2, "width": 128, "depth": 2, "heads": 2, "mlp_ratio": 1}}, ImagesFirst, {}, 4, 32, False),
]


def calm(name, shape):
    result = values(name, shape)
    if name.endswith("bias"):
        result = result + 3
    return result * 0.1 if name.endswith("bn3.weight") else result


def loss_of(network, images, labels):
    outputs = network(images)
    if isinstance(outputs, torch.Tensor):
        return F.cross_entropy(outputs, labels)
    return F.cross_entropy(outputs.logits, labels) + AUXILIARY_WEIGHT * sum(F.cross_entropy(aux, labels) for aux in (outputs.aux_logits1, outputs.aux_logits2))


def gradients(make, options, batch, side, fill, dtype, name="images"):
    network = make(num_classes=CLASSES, **options).train()
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    network.load_state_dict({name: fill(name, tuple(tensor.shape)) for name, tensor in state.items()}, strict=False)
    network = network.to(dtype)
    images = values(name, (batch, side, side, 3)).permute(0, 3, 1, 2).contiguous().to(dtype)
    loss = loss_of(network, images, torch.arange(batch) * 3 % CLASSES)
    loss.backward()
    return loss.item(), {name: parameter.grad.double().numpy().ravel() for name, parameter in network.named_parameters()}


def case(definition, make, options, batch, side, is_smooth, entries=ENTRIES, images="images"):
    fill = values if is_smooth else calm
    loss, exact = gradients(make, options, batch, side, fill, torch.float64, images)
    _, single = gradients(make, options, batch, side, fill, torch.float32, images)
    everything = math.sqrt(sum(float(g @ g) for g in exact.values()))
    worst = max(numpy.linalg.norm(single[n] - g) / numpy.linalg.norm(g) for n, g in exact.items() if numpy.linalg.norm(g) > 1e-6 * everything)
    print(f"{definition}: loss {loss:.6f}, norm {everything:.4g}, PyTorch's own worst error in float32 {worst:.2g}")
    known = {"definition": json.dumps(definition), "batch": batch, "side": side, "loss": loss, "norm": everything, "images": images} | ({"isSmooth": True} if is_smooth else {})
    return known | {
        "gradients": [
            {
                "name": name, "norm": float(numpy.linalg.norm(gradient)), "projection": float(gradient @ uniform(f"direction of {name}", gradient.size)),
                "entries": [float(f"{gradient[place]:.8g}") for place in places(gradient.size, entries)],
            }
            for name, gradient in exact.items()
        ],
    }


def places(count, entries):
    """Up to so many, spread evenly."""
    return [index * count // min(count, entries) for index in range(min(count, entries))]


if __name__ == "__main__":
    small = [(definition, make, {}, 16, side, False, FEW_ENTRIES) for definition, make, side in HYBRIDS]
    files = {"zoo_gradients": CONVOLUTIONAL, "zoo_hybrid_gradients": small, "transformer_gradients": TRANSFORMERS}
    for name in sys.argv[1:] or files:
        path = pathlib.Path(__file__).parent.parent / f"Fixtures/{name}.json"
        path.write_text(json.dumps([case(*entry) for entry in files[name]], indent=0) + "\n")
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
