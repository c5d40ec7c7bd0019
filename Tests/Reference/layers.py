"""Values and gradients of layers, computed by PyTorch in float64. Writes Tests/Fixtures/layers.h5."""

import copy

import torch
import torch.nn.functional as F

from fixtures import FixtureFile, Source, exact, float32, images_first, images_last, magnitude
from models import Attention, BasicBlock, ConvolutionalStem, LocalAttention, PatchEmbedding, ShiftedPatchTokenization, TransformerBlock, randomize


def compute(module, x, upstream, dtype):
    """Output, gradients and running statistics of a copy of the module in the given precision."""
    module = copy.deepcopy(module).to(dtype)
    tensor = exact(x, dtype).requires_grad_()
    y = module(tensor)
    parameters = dict(module.named_parameters())
    gradients = torch.autograd.grad(y, [tensor, *parameters.values()], exact(upstream, dtype))
    return {
        "outputs": {"0": y},
        "gradients": {"0": gradients[0]},
        "parameter_gradients": dict(zip(parameters, gradients[1:])),
        "buffers_after": buffers(module),
    }


def buffers(module):
    """The running statistics, without the batch counter."""
    return {key: buffer for key, buffer in module.named_buffers() if buffer.ndim}


def write(file, name, operation, module, input_shape, **attributes):
    source = Source(name)
    randomize(module, source)
    with torch.no_grad():
        for key, buffer in buffers(module).items():
            if key.endswith("running_mean"):
                buffer.copy_(torch.from_numpy(source.normal(*buffer.shape)))
            else:
                buffer.copy_(torch.from_numpy(source.uniform(*buffer.shape, low=0.5, high=2.0)))
    x = source.normal(*input_shape)
    upstream = source.normal(*copy.deepcopy(module)(torch.from_numpy(x)).shape)
    results = compute(module, x, upstream, torch.float64)
    single = compute(module, x, upstream, torch.float32)

    file.array(f"{name}/inputs/0", x)
    file.array(f"{name}/output_gradients/0", upstream)
    for key, parameter in module.named_parameters():
        file.array(f"{name}/parameters/{key}", parameter)
    for key, buffer in buffers(module).items():
        file.array(f"{name}/buffers/{key}", buffer)
    magnitudes = {}
    for kind, values in results.items():
        for key, value in values.items():
            file.array(f"{name}/{kind}/{key}", value)
            magnitudes[f"{kind}/{key}"] = magnitude(value, single[kind][key])
    file.group(name, operation=operation, attributes=attributes, magnitudes=magnitudes)


class ImageBlock(BasicBlock):
    """The basic block on [N, H, W, C]."""

    def forward(self, image):
        return images_last(super().forward(images_first(image)))


def sin_cos_2d(height, width, channels, temperature=10000.0):
    """big_vision's: ω_i = temperature^(−i/(D/4−1)); sin x·ω, cos x·ω, sin y·ω, cos y·ω side by side. [1, height·width, D]."""
    omega = temperature ** -(torch.arange(channels // 4, dtype=torch.float64) / (channels // 4 - 1))
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    y, x = y.flatten()[:, None] * omega, x.flatten()[:, None] * omega
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], 1)[None]


if __name__ == "__main__":
    with FixtureFile("layers.h5") as file:
        for name, shape, heads in [
            ("multi_head_attention", (2, 5, 12), 3), ("multi_head_attention_one_head", (1, 4, 8), 1), ("multi_head_attention_one_token", (2, 1, 8), 2),
        ]:
            write(file, name, "multi_head_attention", Attention(shape[2], heads), shape, width=shape[2], heads=heads)
        for name, shape, heads, ratio in [("transformer_block", (2, 5, 12), 3, 4), ("transformer_block_ratio_2", (1, 17, 16), 2, 2)]:
            block = TransformerBlock(shape[2], heads, ratio)
            write(file, name, "transformer_block", block, shape, width=shape[2], heads=heads, mlp_ratio=ratio, epsilon=1e-6)
        for name, image, patch, width in [
            ("patch_embedding", (2, 8, 8, 1), 4, 12), ("patch_embedding_rgb", (2, 4, 6, 3), 2, 8), ("patch_embedding_1x1", (2, 3, 3, 5), 1, 8),
        ]:
            write(file, name, "patch_embedding", PatchEmbedding(image[3], patch, width), image, patch=patch, width=width)
        # With 1 in place of 1/√d.
        write(file, "multi_head_attention_unscaled", "multi_head_attention", Attention(32, 2, scale=1.0), (2, 7, 32), width=32, heads=2, scaled=False)
        write(file, "local_attention", "multi_head_attention", LocalAttention(24, 3), (2, 7, 24), width=24, heads=3, local=True)
        write(
            file, "transformer_block_unscaled", "transformer_block", TransformerBlock(32, 2, 2, scale=1.0), (2, 7, 32), width=32, heads=2,
            mlp_ratio=2, epsilon=1e-6, scaled=False)
        for name, image, patch, width in [
            ("convolutional_stem", (2, 8, 12, 1), 4, 12), ("convolutional_stem_one", (2, 4, 6, 3), 2, 5), ("convolutional_stem_three", (3, 16, 8, 2), 8, 8),
        ]:
            write(file, name, "convolutional_stem", ConvolutionalStem(image[3], patch, width), image, patch=patch, width=width)
        for name, image, patch, width in [("shifted_patch", (2, 8, 12, 1), 4, 6), ("shifted_patch_odd", (2, 6, 9, 2), 3, 5)]:
            write(file, name, "shifted_patch", ShiftedPatchTokenization(image[3], patch, width), image, patch=patch, width=width)
        for name, image, channels, stride, option in [
            ("basic_block_identity", (3, 5, 5, 6), 6, 1, "A"), ("basic_block_a", (3, 6, 6, 4), 8, 2, "A"), ("basic_block_a_odd", (2, 7, 5, 3), 6, 2, "A"),
            ("basic_block_b", (3, 6, 6, 4), 8, 2, "B"), ("basic_block_b_odd", (2, 7, 5, 3), 6, 2, "B"),
        ]:
            block = ImageBlock(image[3], channels, stride, option)
            write(file, name, "basic_block", block, image, channels=channels, stride=stride, shortcut=option, epsilon=1e-5, momentum=0.1)
        for name, image, channels, option, norm, activation, function in [
            ("basic_block_batch_leaky_relu", (3, 6, 6, 4), 8, "B", "batch", "leaky_relu", F.leaky_relu),
            ("basic_block_groups_silu", (3, 6, 6, 4), 12, "B", 3, "silu", F.silu), ("basic_block_layer_gelu", (2, 7, 5, 3), 6, "A", 1, "gelu", F.gelu),
            ("basic_block_none_tanh", (2, 6, 6, 4), 8, "B", "none", "tanh", torch.tanh),
            ("basic_block_none_sigmoid", (2, 7, 5, 3), 6, "A", "none", "sigmoid", torch.sigmoid),
        ]:
            block = ImageBlock(image[3], channels, 2, option, norm, function)
            write(file, name, "basic_block", block, image, channels=channels, stride=2, shortcut=option, norm=norm, activation=activation)
        for name, height, width, channels in [
            ("sin_cos_2d", 3, 5, 16), ("sin_cos_2d_square", 7, 7, 32), ("sin_cos_2d_one_cell", 1, 1, 8),
        ]:
            file.group(name, operation="sin_cos_2d", attributes={"height": height, "width": width, "channels": channels, "temperature": 10000.0})
            file.array(f"{name}/outputs/0", float32(sin_cos_2d(height, width, channels)))
