"""What is left of the gradients of networks that answer for every pixel, for unet.py and segmentation_models.py, and of ten steps of their training.

Weights, images and directions come from the formula of zoo.py, biases 1 larger so that few values lie near 0. Of each parameter's gradient a fixture holds its
norm, its product with a random direction, and 4 of its numbers.
"""

import json
import math

import numpy
import torch
import torch.nn.functional as F

from zoo import uniform, values

CLASSES, ENTRIES, STEPS = 3, 4, 10


def fill(name, shape):
    return values(name, shape) + (1 if name.endswith("bias") else 0)


def filled(make, dtype):
    """A network in training mode with the formula's parameters."""
    network = make().train()
    network.load_state_dict({name: fill(name, tuple(parameter.shape)) for name, parameter in network.named_parameters()}, strict=False)
    return network.to(dtype)


def pixels(name, batch, height, width, channels, dtype):
    return values(name, (batch, height, width, channels)).permute(0, 3, 1, 2).contiguous().to(dtype)


def classes(batch, height, width, step=0):
    return (torch.arange(batch)[:, None, None] + torch.arange(height)[:, None] + torch.arange(width) // 3 + step) % CLASSES


def total(answers, labels):
    """The loss of a network's answer, or of several, each with its weight."""
    if isinstance(answers, torch.Tensor):
        answers = [(answers, 1)]
    return sum(weight * F.cross_entropy(answer, labels) for answer, weight in answers)


def gradients(make, batch, height, width, channels, dtype):
    network = filled(make, dtype)
    loss = total(network(pixels("images", batch, height, width, channels, dtype)), classes(batch, height, width))
    loss.backward()
    return loss.item(), {name: parameter.grad.double().numpy().ravel() for name, parameter in network.named_parameters()}


def case(definition, make, batch, height, width, channels=1):
    size = (batch, height, width)
    loss, exact = gradients(make, *size, channels, torch.float64)
    _, single = gradients(make, *size, channels, torch.float32)
    everything = math.sqrt(sum(float(g @ g) for g in exact.values()))
    worst = max(numpy.linalg.norm(single[n] - g) / max(numpy.linalg.norm(g), 1e-6 * everything) for n, g in exact.items())
    print(f"{definition}: loss {loss:.6f}, norm {everything:.4g}, PyTorch's own worst error in float32 {worst:.2g}")
    return {
        "definition": json.dumps(definition), "size": size, **({"channels": channels} if channels != 1 else {}), "loss": loss, "norm": everything,
        "gradients": [
            {
                "name": name, "norm": float(numpy.linalg.norm(g)), "projection": float(g @ uniform(f"direction of {name}", g.size)),
                "entries": [float(f"{g[index * g.size // min(g.size, ENTRIES)]:.8g}") for index in range(min(g.size, ENTRIES))],
            }
            for name, g in exact.items()
        ],
    }


def training(definition, make, batch, height, width, rate, channels=1):
    """Ten steps of gradient descent with momentum 0.9: the loss of each before its update, and the norms of what is trained after the last."""
    def train(dtype):
        network = filled(make, dtype)
        optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9)
        losses = []
        for step in range(STEPS):
            loss = total(network(pixels(f"images {step}", batch, height, width, channels, dtype)), classes(batch, height, width, step))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses, network

    (single, _), (losses, network) = train(torch.float32), train(torch.float64)
    error = max(abs(a - b) / b for a, b in zip(single, losses))
    print(f"{definition}: {losses[0]:.4f} → {losses[-1]:.4f}, float32 against float64 within {error:.1e}")
    state = dict(network.named_parameters()) | {name: buffer for name, buffer in network.named_buffers() if buffer.ndim}
    return {
        "definition": json.dumps(definition), "size": (batch, height, width), "rate": rate, "losses": losses,
        "norms": {name: float(value.detach().norm()) for name, value in state.items()},
    }
