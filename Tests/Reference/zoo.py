"""Writes Fixtures/zoo.json and Fixtures/zoo_hybrids.json: names, shapes and logits of torchvision's and timm's networks, and of one written here, to which
those of the same names are compared. The second file has the networks of convolutions and attention.

    python zoo.py            # in an environment with torch 2.13.0, torchvision 0.28.0 and timm 1.0.31

Weights and images come from one formula, `values`, which the tests repeat, so that the fixture holds no weights.
"""

import functools
import json
import math
import pathlib

import numpy
import torch

from vision_libraries import timm, torchvision

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



class LeNet1998(torch.nn.Module):
    """LeNet-5 as section II.B of LeCun et al. 1998 describes it, the second convolution one output at a time."""

    TABLE = "012 123 234 345 045 015 0123 1234 2345 0345 0145 0125 0134 1245 0235 012345".split()
    PICTURES = [
        [0x00, 0x1C, 0x36, 0x22, 0x63, 0x63, 0x63, 0x22, 0x36, 0x1C, 0x00, 0x00],
        [0x00, 0x08, 0x18, 0x38, 0x08, 0x08, 0x08, 0x08, 0x08, 0x3E, 0x00, 0x00],
        [0x00, 0x1C, 0x22, 0x01, 0x01, 0x02, 0x04, 0x08, 0x10, 0x3F, 0x00, 0x00],
        [0x00, 0x3E, 0x02, 0x04, 0x0C, 0x02, 0x01, 0x01, 0x21, 0x1E, 0x00, 0x00],
        [0x00, 0x02, 0x06, 0x0A, 0x12, 0x22, 0x7F, 0x02, 0x02, 0x02, 0x00, 0x00],
        [0x00, 0x3F, 0x20, 0x20, 0x3E, 0x01, 0x01, 0x01, 0x21, 0x1E, 0x00, 0x00],
        [0x00, 0x1E, 0x20, 0x20, 0x3E, 0x21, 0x21, 0x21, 0x21, 0x1E, 0x00, 0x00],
        [0x00, 0x3F, 0x01, 0x02, 0x02, 0x04, 0x04, 0x08, 0x08, 0x10, 0x00, 0x00],
        [0x00, 0x1E, 0x21, 0x21, 0x1E, 0x21, 0x21, 0x21, 0x21, 0x1E, 0x00, 0x00],
        [0x00, 0x1E, 0x21, 0x21, 0x21, 0x1F, 0x01, 0x01, 0x02, 0x1C, 0x00, 0x00],
    ]

    class Subsampling(torch.nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.empty(channels))
            self.bias = torch.nn.Parameter(torch.empty(channels))

        def forward(self, x):
            sums = x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]
            return sums * self.weight[:, None, None] + self.bias[:, None, None]

    def __init__(self, num_classes):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 6, 5)
        self.pool1 = self.Subsampling(6)
        self.conv2 = torch.nn.ModuleList([torch.nn.Conv2d(6 * 3, 6, 5, groups=6), torch.nn.Conv2d(9 * 4, 9, 5, groups=9), torch.nn.Conv2d(6, 1, 5)])
        self.pool2 = self.Subsampling(16)
        self.fc1 = torch.nn.Linear(400, 120)
        self.fc2 = torch.nn.Linear(120, 84)
        bits = [[(row >> (6 - column)) & 1 for row in picture for column in range(7)] for picture in self.PICTURES]
        self.pictures = 2 * torch.tensor(bits, dtype=torch.float32) - 1

    def forward(self, x):
        squash = lambda a: 1.7159 * torch.tanh(2 * a / 3)
        x = squash(self.pool1(squash(self.conv1(x))))
        weights = [weight for convolution in self.conv2 for weight in convolution.weight]
        biases = [bias for convolution in self.conv2 for bias in convolution.bias]
        maps = [
            torch.nn.functional.conv2d(x[:, [int(channel) for channel in seen]], weight[None], bias[None])
            for seen, weight, bias in zip(self.TABLE, weights, biases)
        ]
        x = squash(self.pool2(squash(torch.cat(maps, 1))))
        x = squash(self.fc2(squash(self.fc1(x.flatten(1)))))
        return -((x[:, None] - self.pictures) ** 2).sum(2)


class ParallelBlock(torch.nn.Module):
    """Both branches of a transformer block behind one norm."""

    def __init__(self, dim, num_heads, mlp_ratio=4.0, qkv_bias=False, norm_layer=torch.nn.LayerNorm, **_):
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = timm.layers.Attention(dim, num_heads, qkv_bias=qkv_bias)
        self.mlp = timm.layers.Mlp(dim, int(dim * mlp_ratio))

    def forward(self, x):
        normalized = self.norm1(x)
        return x + self.attn(normalized) + self.mlp(normalized)


class PostBlock(ParallelBlock):
    """A norm behind each sum."""

    def __init__(self, dim, num_heads, norm_layer=torch.nn.LayerNorm, **options):
        super().__init__(dim, num_heads, norm_layer=norm_layer, **options)
        self.norm2 = norm_layer(dim)

    def forward(self, x):
        x = self.norm1(x + self.attn(x))
        return self.norm2(x + self.mlp(x))


def small_vit(**settings):
    """timm's vision transformer of two blocks on four patches a side."""
    return lambda num_classes: timm.models.vision_transformer.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=num_classes, **settings)


def small_eva(**settings):
    return lambda num_classes: timm.models.eva.Eva(
        img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=num_classes, global_pool="token", qkv_bias=False, **settings)


def vit(**options):
    return {"vit": {"patch": 8, "width": 48, "depth": 2, "heads": 3} | options}


def small_deit(num_classes):
    return timm.models.deit.VisionTransformerDistilled(img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=num_classes)


def small_swin(side, **settings):
    return lambda num_classes: timm.models.swin_transformer.SwinTransformer(
        img_size=side, patch_size=2, embed_dim=24, depths=(2, 2), num_heads=(2, 4), window_size=4, num_classes=num_classes, **settings)


def small_coatnet(**settings):
    """timm's CoAtNet of two stages of convolutions and two of attention."""
    transformer = timm.models.maxxvit.MaxxVitTransformerCfg(dim_head=8)
    network = dict(embed_dim=(16, 32, 64, 128), depths=(1, 2, 2, 1), stem_width=8, head_hidden_size=128, transformer_cfg=transformer) | settings
    return lambda num_classes: timm.models.maxxvit.MaxxVit(timm.models.maxxvit.MaxxVitCfg(**network), img_size=64, num_classes=num_classes)


def small_levit(network, side, **settings):
    return lambda num_classes: network(img_size=side, embed_dim=(32, 48, 64), key_dim=16, num_heads=(2, 3, 4), depth=(1, 2, 1), num_classes=num_classes, **settings)


def small_hybrid(backbone, patch):
    """timm's vision transformer behind a standardized residual network, or its stem."""
    return lambda num_classes: timm.models.vision_transformer.VisionTransformer(
        img_size=64, patch_size=patch, embed_dim=48, depth=2, num_heads=3, num_classes=num_classes,
        embed_layer=functools.partial(timm.layers.HybridEmbed, backbone=backbone()))


STANDARDIZED = dict(
    preact=False, stem_type="same", conv_layer=functools.partial(timm.layers.StdConv2dSame, eps=1e-8),
    norm_layer=functools.partial(timm.layers.GroupNormAct, num_groups=8))


def standardized():
    return timm.models.resnetv2.ResNetV2(layers=(1, 2), channels=(64, 128), stem_chs=16, num_classes=0, global_pool="", **STANDARDIZED)


def standardized_stem():
    return timm.models.resnetv2.create_resnetv2_stem(3, 16, **STANDARDIZED)


class SeveralStages(torch.nn.Module):
    """A transformer on the cells of two stages, each projected, with positions and a vector of its own, behind a class token."""

    class Level(torch.nn.Module):
        def __init__(self, channels, patch, tokens, width):
            super().__init__()
            self.proj = torch.nn.Conv2d(channels, width, patch, patch)
            self.pos_embed = torch.nn.Parameter(torch.empty(1, tokens, width))
            self.level_embed = torch.nn.Parameter(torch.empty(1, 1, width))

        def forward(self, x):
            return self.proj(x).flatten(2).transpose(1, 2) + self.pos_embed + self.level_embed

    def __init__(self, num_classes, width=48):
        super().__init__()
        self.cls_token = torch.nn.Parameter(torch.empty(1, 1, width))
        self.patch_embed = torch.nn.Module()
        self.patch_embed.backbone = standardized()
        self.patch_embed.stage1 = self.Level(64, 4, 16, width)
        self.patch_embed.stage2 = self.Level(128, 2, 16, width)
        norm = functools.partial(torch.nn.LayerNorm, eps=1e-6)
        self.blocks = torch.nn.Sequential(*[timm.models.vision_transformer.Block(width, 3, qkv_bias=True, norm_layer=norm) for _ in range(2)])
        self.norm = norm(width)
        self.head = torch.nn.Linear(width, num_classes)

    def forward(self, x):
        first = self.patch_embed.backbone.stages[0](self.patch_embed.backbone.stem(x))
        second = self.patch_embed.backbone.norm(self.patch_embed.backbone.stages[1](first))
        tokens = [self.cls_token.expand(len(x), -1, -1), self.patch_embed.stage1(first), self.patch_embed.stage2(second)]
        return self.head(self.norm(self.blocks(torch.cat(tokens, 1)))[:, 0])


def hybrid(cut_after, **options):
    network = {"resnet_standardized": {"blocks": [1, 2], "width": 16, "groups": 8, "cut_after": cut_after}}
    return {"backbone": network, "transformer": {"width": 48, "depth": 2, "heads": 3}} | options


COATNET = {"blocks": [1, 2, 2, 1], "width": 16, "stem_width": 8, "head_width": 8, "drop_path": 0}
LEVIT = {"widths": [32, 48, 64], "heads": [2, 3, 4], "blocks": [1, 2, 1]}
RMS = functools.partial(timm.layers.RmsNorm, eps=1e-6)


def from_timm(name):
    return lambda **options: timm.create_model(name, **options)


def from_torchvision(make, **settings):
    return lambda **options: make(init_weights=False, **settings, **options)


# The definition, the network of the library, and the side of the images: odd ones meet the borders of strided windows.
CASES = [
    ({"alexnet": {}}, torchvision.models.alexnet, 101),
    ({"vgg": {"depth": 11, "norm": "batch"}}, from_torchvision(torchvision.models.vgg11_bn), 67),
    ({"squeezenet": {"version": "1.0"}}, torchvision.models.squeezenet1_0, 70),
    ({"squeezenet": {}}, torchvision.models.squeezenet1_1, 67),
    ({"densenet": {"depth": 121, "stem": "7x7"}}, torchvision.models.densenet121, 75),
    ({"mobilenet_v2": {}}, torchvision.models.mobilenet_v2, 75),
    ({"mobilenet_v2": {"width_multiplier": 0.5}}, lambda **options: torchvision.models.mobilenet_v2(width_mult=0.5, **options), 65),
    ({"resnet": {"depth": 18, "stem": "7x7"}}, torchvision.models.resnet18, 75),
    ({"resnet": {"depth": 34, "stem": "7x7"}}, torchvision.models.resnet34, 65),
    ({"resnet": {"depth": 50, "kind": "imagenet", "stem": "7x7"}}, torchvision.models.resnet50, 75),
    ({"resnet": {"depth": 50, "kind": "imagenet", "stem": "7x7", "groups": 32, "width_per_group": 4}}, torchvision.models.resnext50_32x4d, 65),
    ({"lenet5": {"variant": "original"}}, LeNet1998, 32),
    ({"googlenet": {}}, from_torchvision(torchvision.models.googlenet, aux_logits=False), 75),
    ({"googlenet": {"auxiliary": True}}, from_torchvision(torchvision.models.googlenet), 75),
    ({"inception_v3": {}}, from_torchvision(torchvision.models.inception_v3, aux_logits=False), 79),
    ({"inception_resnet_v2": {}}, from_timm("inception_resnet_v2"), 79),
    ({"xception": {}}, from_timm("legacy_xception"), 67),
    ({"efficientnet": {}}, torchvision.models.efficientnet_b0, 67),
    ({"convnext": {}}, from_timm("convnext_tiny"), 67),
    ({"resnet_v2": {"depth": 50, "stem": "7x7"}}, from_timm("resnetv2_50"), 67),
    ({"mobilenet": {}}, from_timm("mobilenetv1_100"), 67),
    (vit(registers=4, qk_norm="layer", layer_scale=0.1), small_vit(reg_tokens=4, qk_norm=True, init_values=0.1), 32),
    (vit(qkv_bias=False, mlp="swiglu", norm="rms", qk_norm="rms"), small_vit(qkv_bias=False, mlp_layer=timm.layers.SwiGLUPacked, act_layer=torch.nn.SiLU, norm_layer=RMS, qk_norm=True), 32),
    (vit(pool="attention"), small_vit(global_pool="map", class_token=False), 32),
    (vit(block="residual"), small_vit(block_fn=timm.models.vision_transformer.ResPostBlock), 32),
    (vit(block="parallel"), small_vit(block_fn=ParallelBlock), 32),
    (vit(block="post"), small_vit(block_fn=PostBlock), 32),
    (vit(distillation=True), small_deit, 32),
    ({"swin": {"blocks": [2, 2], "width": 24, "heads": [2, 4], "window": 4, "patch": 2}}, small_swin(32), 32),
    ({"swin": {"blocks": [2, 2], "width": 24, "heads": [2, 4], "window": 4, "patch": 2}}, small_swin(22), 22),
    (vit(position="rotary", qkv_bias=False), small_eva(use_abs_pos_emb=False, use_rot_pos_emb=True), 32),
]
# Networks of convolutions and attention.
HYBRIDS = [
    ({"coatnet": COATNET}, small_coatnet(), 64),
    ({"coatnet": COATNET | {"convolution_stages": 1}}, small_coatnet(block_type=("C", "T", "T", "T")), 64),
    ({"levit": LEVIT}, small_levit(timm.models.levit.LevitDistilled, 80), 80),
    ({"levit": LEVIT | {"patch": 8, "distillation": False}}, small_levit(timm.models.levit.Levit, 40, stem_type="s8"), 40),
    (hybrid("stage2"), small_hybrid(standardized, 1), 64),
    (hybrid("stem", tokens={"patch": 4}), small_hybrid(standardized_stem, 4), 64),
    (hybrid("stage2", tokens={"stages": ["stage1", "stage2"], "patches": [4, 2]}), SeveralStages, 64),
]
CLASSES = 10


def case(definition, make, side):
    network = make(num_classes=CLASSES).eval()
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
    for name, entries in [("zoo", CASES), ("zoo_hybrids", HYBRIDS)]:
        path = pathlib.Path(__file__).parent.parent / f"Fixtures/{name}.json"
        path.write_text(json.dumps([case(*entry) for entry in entries], indent=1) + "\n")
