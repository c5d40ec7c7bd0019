"""Writes Tests/Fixtures/volume_networks.json: names, shapes, logits and ten training losses of networks on views, voxels and sequences, for
Tests/ModelsTests/VolumeNetworkTests.swift.

    python volume_networks.py

The 3-D ResNet's blocks and names are torchvision's, and so are the blocks of the network that views share; the transformer's are timm's; the others are
written here. Weights and images come from the formula of zoo.py. Losses are those of SGD with momentum in float64.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

from vision_libraries import timm, torchvision
from zoo import values

torch.set_num_threads(1)

CLASSES, STEPS, RATE, MOMENTUM = 5, 10, 0.02, 0.9


def volume(x, channels):
    """[N, H, W, D·C] → [N, C, D, H, W]"""
    return x.unflatten(3, (-1, channels)).permute(0, 4, 3, 1, 2)


class ResNet3D(torchvision.models.video.resnet.VideoResNet):
    """torchvision's, with other widths."""

    def __init__(self, layers, width, channels, small_stem):
        nn.Module.__init__(self)
        library = torchvision.models.video.resnet
        self.inplanes, self.channels = width, channels
        kernel, stride, padding = (3, 1, 1) if small_stem else ((3, 7, 7), (1, 2, 2), (1, 3, 3))
        self.stem = nn.Sequential(
            nn.Conv3d(channels, width, kernel, stride, padding, bias=False), nn.BatchNorm3d(width), nn.ReLU())
        for stage, count in enumerate(layers):
            layer = self._make_layer(library.BasicBlock, library.Conv3DSimple, width << stage, count, stride=2 if stage else 1)
            setattr(self, f"layer{stage + 1}", layer)
        self.avgpool, self.fc = nn.AdaptiveAvgPool3d(1), nn.Linear(width << 3, CLASSES)

    def forward(self, x):
        return super().forward(volume(x, self.channels))


class VoxNet(nn.Module):
    def __init__(self, width, hidden, side):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv3d(1, width, 5, stride=2), nn.Conv3d(width, width, 3)
        self.fc1 = nn.Linear(width * (((side - 5) // 2 + 1 - 2) // 2) ** 3, hidden)
        self.fc2 = nn.Linear(hidden, CLASSES)

    def forward(self, x):
        x = F.leaky_relu(self.conv1(volume(x, 1)), 0.1)
        x = F.max_pool3d(F.leaky_relu(self.conv2(x), 0.1), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class MVCNN(nn.Module):
    """Stages of torchvision's blocks, shared by views."""

    def __init__(self, views, channels, width, stages, pool_after, pooling):
        super().__init__()
        self.views, self.stages, self.pool_after, self.pooling = views, stages, pool_after, pooling
        body = self.backbone = nn.Module()
        body.conv1, body.bn1 = nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        for stage in range(stages):
            outputs, inputs = width << stage, width << max(stage - 1, 0)
            down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs)) if stage else None
            block = torchvision.models.resnet.BasicBlock
            setattr(body, f"layer{stage + 1}", nn.Sequential(block(inputs, outputs, 2 if stage else 1, down), block(outputs, outputs)))
        self.head = nn.Linear(width << stages - 1, CLASSES)

    def join(self, x):
        x = x.unflatten(0, (-1, self.views))
        return x.amax(1) if self.pooling == "max" else x.mean(1)

    def forward(self, x):
        batch, height, width, _ = x.shape
        x = x.unflatten(3, (self.views, -1)).permute(0, 3, 4, 1, 2).flatten(0, 1)
        x = F.relu(self.backbone.bn1(self.backbone.conv1(x)))
        if self.pool_after == 0:
            x = self.join(x)
        for stage in range(1, self.stages + 1):
            x = getattr(self.backbone, f"layer{stage}")(x)
            if self.pool_after == stage:
                x = self.join(x)
        logits = self.head(x.mean((2, 3)))
        if self.pool_after is None:
            logits = logits.unflatten(0, (batch, self.views))
            logits = logits.mean(1) if self.pooling == "logits" else logits.softmax(2).mean(1).log()
        return logits


class CNN1D(nn.Module):
    def __init__(self, widths, kernel, causal, dilated, norm, positions, pool="max"):
        super().__init__()
        self.count, self.causal, self.positions, self.pool = len(widths), causal, positions, pool
        for index, (inputs, outputs) in enumerate(zip([1, *widths], widths)):
            setattr(self, f"conv{index + 1}", nn.Conv1d(inputs, outputs, kernel, dilation=2 ** index if dilated else 1, bias=not norm))
            if norm:
                setattr(self, f"norm{index + 1}", nn.BatchNorm1d(outputs))
        self.head = nn.Linear(widths[-1], CLASSES)

    def forward(self, x):
        x = x[:, 0].transpose(1, 2)
        for index in range(1, self.count + 1):
            layer = getattr(self, f"conv{index}")
            total = layer.dilation[0] * (layer.kernel_size[0] - 1)
            x = layer(F.pad(x, (total, 0) if self.causal else (total // 2, total - total // 2)))
            x = F.relu(getattr(self, f"norm{index}", nn.Identity())(x))
        if self.positions:
            return self.head(x.transpose(1, 2))[:, None]
        return self.head(x.amax(2) if self.pool == "max" else x.mean(2))


class Patches(nn.Module):
    """Patches along one axis of sequences, or three of voxels."""

    def __init__(self, axes, patch, width):
        super().__init__()
        self.axes, self.proj = axes, (nn.Conv1d if axes == 1 else nn.Conv3d)(1, width, patch, patch)

    def forward(self, x):
        x = x[:, 0].transpose(1, 2) if self.axes == 1 else volume(x, 1)
        return self.proj(x).flatten(2).transpose(1, 2)


def transformer(axes, patch, width, tokens):
    model = timm.models.vision_transformer.VisionTransformer(
        img_size=(1, tokens), patch_size=1, in_chans=1, num_classes=CLASSES, embed_dim=width, depth=2, num_heads=2)
    model.patch_embed = Patches(axes, patch, width)
    return model


# The definition, the network, and the images' shape.
CASES = [
    ('{"resnet3d": {"depth": 10, "width": 4}}', lambda: ResNet3D([1, 1, 1, 1], 4, 1, False), (4, 16, 20, 6)),
    ('{"resnet3d": {"depth": 18, "width": 4, "stem": "3x3x3", "channels": 3}}', lambda: ResNet3D([2, 2, 2, 2], 4, 3, True), (8, 16, 17, 18)),
    ('{"voxel_cnn": {"width": 4, "hidden": 8, "dropout": [0, 0, 0]}}', lambda: VoxNet(4, 8, 13), (4, 13, 13, 13)),
    (
        '{"mvcnn": {"backbone": {"resnet": {"depth": 18, "width": 4, "cut_after": "stage3"}}, "views": 3, "pool_after": "stage1"}}',
        lambda: MVCNN(3, 2, 4, 3, 1, "max"), (4, 16, 12, 6),
    ),
    (
        '{"mvcnn": {"backbone": {"resnet": {"depth": 18, "width": 4, "cut_after": "stage2"}}, "views": 4, "pooling": "mean"}}',
        lambda: MVCNN(4, 1, 4, 2, 2, "mean"), (4, 9, 12, 4),
    ),
    (
        '{"mvcnn": {"backbone": {"resnet": {"depth": 18, "width": 4, "cut_after": "stage2"}}, "views": 2, "pooling": "logits"}}',
        lambda: MVCNN(2, 1, 4, 2, None, "logits"), (4, 9, 12, 2),
    ),
    (
        '{"mvcnn": {"backbone": {"resnet": {"depth": 18, "width": 4, "cut_after": "stage2"}}, "views": 3, "pooling": "probabilities"}}',
        lambda: MVCNN(3, 1, 4, 2, None, "probabilities"), (4, 9, 12, 3),
    ),
    (
        '{"cnn1d": {"widths": [6, 5], "kernel": 3, "causal": true, "dilated": true, "norm": "batch", "answer": "positions"}}',
        lambda: CNN1D([6, 5], 3, True, True, True, True), (4, 1, 17, 1),
    ),
    ('{"cnn1d": {"widths": [7], "kernel": 4}}', lambda: CNN1D([7], 4, False, False, False, False), (8, 1, 19, 1)),
    ('{"cnn1d": {"widths": [5, 6], "kernel": 2, "pool": "mean"}}', lambda: CNN1D([5, 6], 2, False, False, False, False, "mean"), (8, 1, 15, 1)),
    ('{"vit": {"patch": 4, "dimensions": 3, "width": 16, "depth": 2, "heads": 2}}', lambda: transformer(3, 4, 16, 2 * 3 * 4), (4, 12, 16, 8)),
    ('{"vit": {"patch": 5, "dimensions": 1, "width": 16, "depth": 2, "heads": 2}}', lambda: transformer(1, 5, 16, 4), (4, 1, 20, 1)),
]


def train(network, shape, dtype):
    network = network.to(dtype).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM)
    losses = []
    for step in range(STEPS):
        logits = network(values(f"images {step}", shape).to(dtype))
        labels = (torch.arange(logits[..., 0].numel()) + step).reshape(logits.shape[:-1]) % CLASSES
        loss = F.cross_entropy(logits.movedim(-1, 1), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def case(definition, make, shape):
    network = make().eval()
    state = {name: values(name, tuple(tensor.shape)) if tensor.ndim else tensor for name, tensor in network.state_dict().items()}

    def fresh():
        network = make()
        network.load_state_dict(state)
        return network.eval()

    with torch.no_grad():
        logits = fresh().double()(values("images", shape).double())
    losses, single = train(fresh(), shape, torch.float64), train(fresh(), shape, torch.float32)
    print(f"{definition}: {losses[0]:.4f} → {losses[-1]:.4f}, float32 within {max(abs(a - b) / b for a, b in zip(single, losses)):.1e}")
    return {
        "definition": definition, "shape": shape, "tensors": [f"{name} {list(tensor.shape)}" for name, tensor in state.items() if tensor.ndim],
        "logits": [float(f"{number:.8g}") for number in logits.flatten().tolist()], "losses": losses,
    }


assert sum(p.numel() for p in torchvision.models.video.r3d_18().parameters()) == 33_371_472
path = pathlib.Path(__file__).parent.parent / "Fixtures/volume_networks.json"
path.write_text(json.dumps([case(*entry) for entry in CASES], indent=0) + "\n")
