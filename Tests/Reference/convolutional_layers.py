"""Values and gradients of layers of convolutional networks, computed by PyTorch in float64. Writes Tests/Fixtures/convolutional_layers.h5."""

import torch
import torch.nn.functional as F
from torch import nn

from fixtures import FixtureFile, images_first, images_last
from layers import write


class Images(nn.Module):
    """A module for [N, C, H, W] on [N, H, W, C]."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, image):
        return images_last(self.module(images_first(image)))


class SqueezeExcitation(nn.Module):
    """timm's."""

    def __init__(self, channels, inner):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, inner, 1)
        self.fc2 = nn.Conv2d(inner, channels, 1)

    def forward(self, image):
        x = images_first(image)
        return images_last(x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True))))))


with FixtureFile("convolutional_layers.h5") as file:
    for name, image, size, k in [("local_response_norm", (2, 3, 4, 9), 5, 2.0), ("local_response_norm_even", (2, 2, 3, 7), 4, 1.0)]:
        write(file, name, "local_response_norm", Images(nn.LocalResponseNorm(size, 0.5, 0.75, k)), image, size=size, alpha=0.5, beta=0.75, k=k)
    for name, image, size in [
        ("adaptive_pool_same", (2, 3, 3, 4), 3), ("adaptive_pool_whole", (2, 6, 4, 3), 2), ("adaptive_pool_overlap", (2, 7, 5, 3), 3),
        ("adaptive_pool_larger", (2, 2, 3, 4), 7),
    ]:
        write(file, name, "adaptive_average_pool", Images(nn.AdaptiveAvgPool2d(size)), image, size=size)
    for name, image, kernel, stride, padding in [
        ("ceil_pool", (2, 6, 8, 3), 3, 2, 0), ("ceil_pool_padded", (2, 7, 6, 3), 3, 2, 1), ("ceil_pool_dropped", (1, 4, 5, 2), 2, 3, 1),
    ]:
        module = Images(nn.MaxPool2d(kernel, stride, padding, ceil_mode=True))
        write(file, name, "ceil_max_pool", module, image, kernel=kernel, stride=stride, padding=padding)
    write(file, "squeeze_excitation", "squeeze_excitation", SqueezeExcitation(8, 3), (2, 3, 4, 8), inner=3)
