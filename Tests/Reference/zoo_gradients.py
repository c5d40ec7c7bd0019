"""Writes Fixtures/zoo_gradients.json and Fixtures/zoo_hybrid_gradients.json: what is left of the gradients of a training-mode loss of torchvision's networks,
and of small networks of convolutions and attention of timm's, computed in float64.

    python zoo_gradients.py            # in an environment with torch 2.13.0, torchvision 0.28.0 and timm 1.0.31

Weights, images and directions come from the formula of zoo.py, but biases are 3 larger, and the last norms of bottlenecks scale by a tenth: where many
values lie near 0, float32 itself puts some on the other side of ReLU, and PyTorch's two precisions differ by some percent. Of each parameter's gradient the fixture holds its norm, its product with a random
direction, and 16 of its numbers, of the small networks 4.
"""

import json
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F
from zoo import CLASSES, HYBRIDS, torchvision, uniform, values

BATCH, SIDE, ENTRIES = 4, 64, 16
SMALL = {"batch": 16, "entries": 4}
AUXILIARY_WEIGHT = 0.3

CASES = [
    ({"resnet": {"depth": 50, "kind": "imagenet", "stem": "7x7"}}, torchvision.models.resnet50, {}),
    ({"densenet": {"depth": 121, "stem": "7x7"}}, torchvision.models.densenet121, {}),
    ({"googlenet": {"auxiliary": True, "dropout": 0, "auxiliary_dropout": 0}}, torchvision.models.googlenet, {"init_weights": False, "dropout": 0.0, "dropout_aux": 0.0}),
    ({"mobilenet_v2": {"dropout": 0}}, torchvision.models.mobilenet_v2, {"dropout": 0.0}),
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


def gradients(make, options, batch, side, dtype):
    network = make(num_classes=CLASSES, **options).train()
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    network.load_state_dict({name: calm(name, tuple(tensor.shape)) for name, tensor in state.items()}, strict=False)
    network = network.to(dtype)
    images = values("images", (batch, side, side, 3)).permute(0, 3, 1, 2).contiguous().to(dtype)
    loss = loss_of(network, images, torch.arange(batch) * 3 % CLASSES)
    loss.backward()
    return loss.item(), {name: parameter.grad.double().numpy().ravel() for name, parameter in network.named_parameters()}


def case(definition, make, options, batch=BATCH, side=SIDE, entries=ENTRIES):
    loss, exact = gradients(make, options, batch, side, torch.float64)
    _, single = gradients(make, options, batch, side, torch.float32)
    everything = math.sqrt(sum(float(g @ g) for g in exact.values()))
    worst = max(numpy.linalg.norm(single[n] - g) / numpy.linalg.norm(g) for n, g in exact.items() if numpy.linalg.norm(g) > 1e-6 * everything)
    print(f"{definition}: loss {loss:.6f}, norm {everything:.4g}, PyTorch's own worst error in float32 {worst:.2g}")
    return {
        "definition": json.dumps(definition), "batch": batch, "side": side, "loss": loss, "norm": everything,
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


def write(name, cases):
    path = pathlib.Path(__file__).parent.parent / f"Fixtures/{name}.json"
    path.write_text(json.dumps(cases, indent=0) + "\n")
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    write("zoo_gradients", [case(*entry) for entry in CASES])
    write("zoo_hybrid_gradients", [case(definition, make, {}, side=side, **SMALL) for definition, make, side in HYBRIDS])
