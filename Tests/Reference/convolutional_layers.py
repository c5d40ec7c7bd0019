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


class FeatureMapAttention(nn.Module):
    """x + attention(norm(x)) over all cells, with a relative position bias as Swin has it, or none."""

    def __init__(self, channels, heads, rows=0, columns=0):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.attn = nn.Module()
        self.attn.qkv = nn.Linear(channels, 3 * channels)
        self.attn.proj = nn.Linear(channels, channels)
        self.index = None
        if rows:
            self.attn.relative_position_bias_table = nn.Parameter(torch.zeros((2 * rows - 1) * (2 * columns - 1), heads))
            place = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")).flatten(1)
            distance = place[:, :, None] - place[:, None, :]
            self.index = (distance[0] + rows - 1) * (2 * columns - 1) + distance[1] + columns - 1

    def forward(self, image):
        batch, rows, columns, channels = image.shape
        x = image.reshape(batch, rows * columns, channels)
        qkv = self.attn.qkv(self.norm(x)).reshape(batch, rows * columns, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = None if self.index is None else self.attn.relative_position_bias_table[self.index].permute(2, 0, 1)[None]
        y = F.scaled_dot_product_attention(*qkv, attn_mask=bias).transpose(1, 2).reshape(batch, rows * columns, channels)
        return (x + self.attn.proj(y)).reshape(image.shape)


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
    write(file, "feature_map_attention", "feature_map_attention", FeatureMapAttention(8, 2), (2, 3, 2, 8), heads=2, bias=False)
    write(file, "feature_map_attention_bias", "feature_map_attention", FeatureMapAttention(6, 3, 2, 4), (2, 2, 4, 6), heads=3, bias=True)
    for name, channels, affine in [("instance_norm", 3, True), ("instance_norm_plain", 4, False)]:
        write(file, name, "instance_norm", Images(nn.InstanceNorm2d(channels, affine=affine)), (2, 3, 4, channels), affine=affine)
    write(
        file, "transposed_convolution", "transposed_convolution", Images(nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)), (2, 3, 4, 3),
        outputs=4, kernel=3, stride=2, padding=1, output_padding=1,
    )
