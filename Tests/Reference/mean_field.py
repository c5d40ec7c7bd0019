"""Prints the expectations that MeanFieldTests expects: E[f(s·z)²] and E[f'(s·z)²] for a standard normal z, by PyTorch in float64.

The functions and their slopes are PyTorch's own (autograd), the integral is a midpoint sum of 20 million terms over −13…13.
"""

import math

import torch

functions = {
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": torch.nn.functional.silu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "softplus": torch.nn.functional.softplus,
}
blocks, length = 20, 1_000_000
step = 26 / (blocks * length)
for name, function in functions.items():
    for scale in [0.1, 1.0, 30.0]:
        value = slope = 0.0
        for block in range(blocks):
            z = -13 + step * (torch.arange(block * length, (block + 1) * length, dtype=torch.float64) + 0.5)
            density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi) * step
            x = (scale * z).requires_grad_()
            y = function(x)
            (gradient,) = torch.autograd.grad(y.sum(), x)
            value += (density * y.detach() ** 2).sum().item()
            slope += (density * gradient**2).sum().item()
        print(f'        ("{name}", {scale}, {value!r}, {slope!r}),')
