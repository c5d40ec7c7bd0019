"""Writes Tests/Fixtures/segmentation_models.json: gradients of small forms of torchvision's FCN and DeepLab v3, of FCN-8s and of SETR, and ten training losses of
U-Net and SETR-PUP, for Tests/ModelsTests/SegmentationModelTests.swift.

    python segmentation_models.py        # torch 2.13.0, torchvision 0.28.0, timm 1.0.31

FCN and DeepLab are torchvision's own code on its ResNet with narrower layers; FCN-8s and SETR's decoders are written here from their papers, on timm's ViT.
"""

import collections
import json
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

from pixel_gradients import CLASSES, case, training
from unet import UNet
from vision_libraries import timm, torchvision

from torchvision.models import resnet
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation import DeepLabV3, FCN
from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead


def narrow(block, layers, width, small=False, **options):
    """torchvision's ResNet of a smaller width; `small`: with a 3×3 stem and no pool."""
    class Narrow(resnet.ResNet):
        def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
            if planes == 64:
                self.inplanes = width
            return super()._make_layer(block, planes * width // 64, blocks, stride, dilate)

    network = Narrow(block, layers, num_classes=1, **options)
    network.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False) if small else nn.Conv2d(3, width, 7, 2, 3, bias=False)
    network.bn1 = nn.BatchNorm2d(width)
    if small:
        network.maxpool = nn.Identity()
    return network


def without_dropout(network):
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0
    return network


class Weighted(nn.Module):
    """torchvision's network with the weight of its auxiliary loss; its own names."""
    def __init__(self, network):
        super().__init__()
        self.backbone, self.classifier, self.aux_classifier = network.backbone, network.classifier, network.aux_classifier
        self.network = [network]

    def forward(self, x):
        answers = self.network[0](x)
        return [(answers["out"], 1), (answers["aux"], 0.5)] if "aux" in answers else answers["out"]


def dilated():
    backbone = narrow(resnet.Bottleneck, [2, 2, 2, 2], 4, replace_stride_with_dilation=[False, True, True])
    return IntermediateLayerGetter(backbone, {"layer3": "aux", "layer4": "out"})


def fcn():
    return Weighted(without_dropout(FCN(dilated(), FCNHead(128, CLASSES), FCNHead(64, CLASSES))))


def deeplab():
    class Head(nn.Sequential):
        """torchvision's DeepLabHead, whose width is 256, at a width of 8."""
        def __init__(self):
            super().__init__(ASPP(128, [1, 2, 4], 8), nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, CLASSES, 1))

    assert [type(a) for a in DeepLabHead(128, CLASSES)] == [type(a) for a in Head()]
    backbone = narrow(resnet.Bottleneck, [2, 2, 2, 2], 4, replace_stride_with_dilation=[False, True, True])
    return Weighted(without_dropout(DeepLabV3(IntermediateLayerGetter(backbone, {"layer4": "out"}), Head())))


class Enlarging(nn.Module):
    """A transposed convolution of a rounded factor, cut to a size."""
    def __init__(self, source, target):
        super().__init__()
        factors = [max(1, round(t / s)) for s, t in zip(source, target)]
        self.target, kernel = target, [2 * f - f % 2 for f in factors]
        more = [max(0, t - f * s) for s, t, f in zip(source, target, factors)]
        convolution = nn.ConvTranspose2d(CLASSES, CLASSES, kernel, factors, [f // 2 for f in factors], more, bias=False)
        self.weight = convolution.weight
        self.arguments = {"stride": factors, "padding": [f // 2 for f in factors], "output_padding": more}

    def forward(self, x):
        return F.conv_transpose2d(x, self.weight, **self.arguments)[:, :, :self.target[0], :self.target[1]]


class Coarse8s(nn.Module):
    """FCN-8s on three blocks of a VGG, the classifier's linear layers as convolutions."""
    def __init__(self, sizes):
        super().__init__()
        layers = [layer for i, o in ((1, 4), (4, 8), (8, 16)) for layer in (nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))]
        self.backbone = nn.ModuleDict({"features": nn.Sequential(*layers)})
        self.classifier = nn.Sequential(nn.Conv2d(16, 10, 7, padding=3), nn.Conv2d(10, 6, 1), nn.Conv2d(6, CLASSES, 1))
        self.fuse = nn.ModuleDict({"stage2": nn.Conv2d(8, CLASSES, 1), "stage1": nn.Conv2d(4, CLASSES, 1)})
        names = ["stage2", "stage1", "logits"]
        self.up = nn.ModuleDict({name: Enlarging(*pair) for name, pair in zip(names, zip(sizes, sizes[1:]))})

    def forward(self, x):
        maps = []
        for place, layer in enumerate(self.backbone["features"]):
            x = layer(x)
            if place % 3 == 2:
                maps.append(x)
        hidden = F.relu(self.classifier[1](F.relu(self.classifier[0](x))))
        scores = self.classifier[2](hidden)
        for stage, features in (("stage2", maps[1]), ("stage1", maps[0])):
            scores = self.up[stage](scores) + self.fuse[stage](features)
        return self.up["logits"](scores)


class Stepping(nn.Module):
    """A 1×1 score on three stages of basic blocks, the last of which is dilated, with those of the second one added and enlarged by transposed convolutions."""
    def __init__(self, sizes):
        super().__init__()
        network = narrow(resnet.BasicBlock, [2, 2, 2, 1], 4, small=True)
        for place, block in enumerate(network.layer3):
            for convolution, dilation in ((block.conv1, 1 if place == 0 else 2), (block.conv2, 2)):
                convolution.stride, convolution.dilation, convolution.padding = (1, 1), (dilation, dilation), (dilation, dilation)
        network.layer3[0].downsample[0].stride = (1, 1)
        self.backbone = IntermediateLayerGetter(network, {"layer1": "stage1", "layer3": "stage3"})
        self.classifier, self.fuse = nn.Conv2d(16, CLASSES, 1), nn.ModuleDict({"stage1": nn.Conv2d(4, CLASSES, 1)})
        self.up = nn.ModuleDict({"stage1": Enlarging(*sizes)})

    def forward(self, x):
        maps = self.backbone(x)
        return self.up["stage1"](self.classifier(maps["stage3"])) + self.fuse["stage1"](maps["stage1"])


class Step(nn.Module):
    """A convolution that keeps the resolution, batch norm, ReLU."""
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


def interpolated(x, size):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class SETR(timm.models.vision_transformer.VisionTransformer):
    """timm's ViT without class token and pooling, and a decoder of Zheng et al."""
    def __init__(self, decoder, size, patch, width, depth, heads, channels, auxiliary=(), published=False):
        super().__init__(
            img_size=size, patch_size=patch, in_chans=1, num_classes=0, embed_dim=width, depth=depth, num_heads=heads,
            class_token=published, global_pool="token" if published else "avg", fc_norm=False)
        self.kind, self.size, self.grid = decoder, size, [side // patch for side in size]
        self.auxiliary_blocks, self.published = auxiliary, published
        if decoder == "naive":
            self.decoder = self.naive(width, channels)
        elif decoder == "pup":
            count = (patch - 1).bit_length()
            self.decoder = nn.ModuleDict({str(i): Step(width if i == 0 else channels, channels, 3) for i in range(count)})
            self.decoder["head"] = nn.Conv2d(channels, CLASSES, 1)
        else:
            self.levels = [(i * depth + 3) // 4 for i in (1, 2, 3, 4)]
            self.decoder = nn.ModuleDict()
            for level in range(4):
                parts = collections.OrderedDict()
                if level < 3:
                    parts["norm0"] = nn.LayerNorm(width, eps=1e-6)
                for number, inputs, outputs, kernel in ((1, width, channels, 1), (2, channels, channels, 3), (3, channels, channels // 2, 3)):
                    parts[f"conv{number}"] = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
                    parts[f"norm{number}"] = nn.BatchNorm2d(outputs)
                self.decoder[str(level)] = nn.ModuleDict(parts)
            self.decoder["head"] = nn.Conv2d(2 * channels, CLASSES, 1)
        if auxiliary:
            self.auxiliary = nn.ModuleDict({str(block): self.naive(width, channels, 3 if published and decoder == "pup" else 1) for block in auxiliary})
            if published:
                for part in self.auxiliary.values():
                    part["norm0"] = nn.LayerNorm(width, eps=1e-6)

    @staticmethod
    def naive(width, channels, kernel=1):
        return nn.ModuleDict({"0": Step(width, channels, kernel), "head": nn.Conv2d(channels, CLASSES, 1)})

    def map(self, tokens):
        return tokens[:, 1 if self.published else 0:].transpose(1, 2).unflatten(2, self.grid)

    def naively(self, decoder, tokens):
        if "norm0" in decoder:
            tokens = decoder["norm0"](tokens)
        x = decoder["0"](self.map(tokens))
        if self.published and decoder is not self.decoder and self.kind == "pup":
            x = interpolated(x, [4 * side for side in x.shape[2:]])
        return interpolated(decoder["head"](x), self.size)

    def forward(self, x):
        x = self._pos_embed(self.patch_embed(x))
        stages = []
        for block in self.blocks:
            x = block(x)
            stages.append(x)
        answer = getattr(self, f"decoded_{self.kind}")(stages, self.norm(x))
        others = [(self.naively(self.auxiliary[str(block)], stages[block - 1]), 0.4) for block in self.auxiliary_blocks]
        return [(answer, 1)] + others

    def decoded_naive(self, stages, tokens):
        return self.naively(self.decoder, tokens)

    def decoded_pup(self, stages, tokens):
        x, count = self.map(tokens), len(self.decoder) - 1
        for step in range(count):
            y = self.decoder[str(step)](x)
            x = interpolated(y, self.size if step == count - 1 else [2 * side for side in y.shape[2:]])
        return self.decoder["head"](x)

    def decoded_mla(self, stages, tokens):
        total, maps = None, []
        for level in (3, 2, 1, 0):
            parts = self.decoder[str(level)]
            x = tokens if level == 3 else parts["norm0"](stages[self.levels[level] - 1])
            x = F.relu(parts["norm1"](parts["conv1"](self.map(x))))
            total = x if total is None else total + x
            y = F.relu(parts["norm3"](parts["conv3"](F.relu(parts["norm2"](parts["conv2"](total))))))
            maps.insert(0, interpolated(y, [max(a, b // 4) for a, b in zip(y.shape[2:], self.size)]))
        return interpolated(self.decoder["head"](torch.cat(maps, 1)), self.size)


def setr(decoder, height, width, patch=8, **others):
    arguments = {"width": 16, "depth": 4, "heads": 2, "channels": 8} | others
    options = {"patch": patch, "width": arguments["width"], "depth": arguments["depth"], "heads": arguments["heads"], "decoder": decoder, "decoder_channels": arguments["channels"]}
    if "auxiliary" in others:
        options["auxiliary"] = others["auxiliary"]
    if "published" in others:
        options |= {"auxiliary_decoder": "published", "class_token": True}
    return {"setr": options}, lambda: SETR(decoder, (height, width), patch, **arguments)


def backbone(name, cut, **options):
    return {name: options | {"cut_after": cut}}


RESNET = {"depth": 26, "kind": "imagenet", "width": 4, "stem": "7x7", "dilated_stages": ["stage3", "stage4"]}
VGG_SIZES, STEP_SIZES = [(3, 5), (7, 11), (15, 22), (30, 44)], [(9, 7), (17, 13)]

if __name__ == "__main__":
    full = [
        sum(p.numel() for p in make(weights=None, weights_backbone=None, aux_loss=aux).parameters())
        for make in (torchvision.models.segmentation.fcn_resnet50, torchvision.models.segmentation.deeplabv3_resnet50) for aux in (False, True)
    ]
    print("parameters:", full)
    cases = [
        case({"fcn": {"backbone": backbone("resnet", "stage4", **RESNET), "auxiliary": "stage3", "dropout": 0}}, fcn, 2, 41, 32, 3),
        case({"deeplab": {"backbone": backbone("resnet", "stage4", **RESNET), "dilations": [1, 2, 4], "width": 8, "dropout": 0}}, deeplab, 4, 33, 40, 3),
        case({"fcn": {"backbone": backbone("vgg", "stage3", blocks=[1, 1, 1], width=4), "head": "classifier", "hidden": [10, 6], "fuse": ["stage2", "stage1"],
                      "up": "transposed", "dropout": 0}}, lambda: Coarse8s(VGG_SIZES), 2, 30, 44),
        case({"fcn": {"backbone": backbone("resnet", "stage3", depth=14, width=4, shortcut="B", stem="3x3", dilated_stages=["stage3"]), "head": "scores",
                      "fuse": ["stage1"], "up": "transposed"}}, lambda: Stepping(STEP_SIZES), 2, 17, 13, 3),
    ]
    for definition, make in (setr("naive", 24, 32), setr("pup", 24, 32, auxiliary=[2, 3]), setr("mla", 24, 32, depth=5), setr("pup", 18, 24, patch=6),
                             setr("pup", 24, 32, auxiliary=[2, 4], published=True), setr("naive", 24, 32, auxiliary=[1], published=True)):
        height, width = make().size
        cases.append(case(definition, make, 4, height, width))
    trainings = [
        training({"unet": {"width": 4, "depth": 2, "norm": "batch"}}, lambda: UNet(4, 2, False, False, True, True), 8, 16, 20, 0.05),
        training(*setr("pup", 16, 24, depth=2), 8, 16, 24, 0.05),
    ]
    path = pathlib.Path(__file__).parent.parent / "Fixtures/segmentation_models.json"
    path.write_text(json.dumps({"cases": cases, "trainings": trainings, "parameters": full}, indent=0) + "\n")
