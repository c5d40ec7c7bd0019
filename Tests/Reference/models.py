"""The reference networks in PyTorch, with timm's and torchvision's parameter names. Images go in as [N, H, W, C]."""

import functools

import torch
import torch.nn.functional as F
from torch import nn

from fixtures import images_first


class Attention(nn.Module):
    """Multi-head self-attention; the rows of qkv are all-q, all-k, all-v, and within each the heads in order."""

    def __init__(self, width, heads, scale=None):
        super().__init__()
        self.heads = heads
        self.scale = scale  # None means 1/√d
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value, scale=self.scale)
        return self.proj(attended.transpose(1, 2).reshape(batch, tokens, width))


class LocalAttention(nn.Module):
    """Lee et al. 2021: no token attends to itself, and the scale is trained."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.temperature = nn.Parameter(torch.ones(1))
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        query, key, value = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = self.temperature * query @ key.transpose(-1, -2)
        scores = scores.masked_fill(torch.eye(tokens, dtype=torch.bool), -torch.inf)
        return self.proj((scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, tokens, width))


class MLP(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class TransformerBlock(nn.Module):
    """Pre-norm: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width, heads, ratio=4, scale=None):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads, scale)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, ratio * width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    """[N, H, W, C] → [N, H/p · W/p, D], row by row."""

    def __init__(self, channels, patch, width):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, image):
        return self.proj(images_first(image)).flatten(2).transpose(1, 2)


class ConvolutionalStem(nn.Module):
    """[N, H, W, C] → [N, H/p · W/p, D] (Xiao et al. 2021): 3×3 convolutions of stride 2 whose channels double up to D, then 1×1."""

    def __init__(self, channels, patch, width):
        super().__init__()
        self.stem = nn.Sequential()
        count = patch.bit_length() - 1
        for index in range(count):
            outputs = width >> (count - 1 - index)
            block = nn.Sequential()
            block.add_module("conv", nn.Conv2d(channels, outputs, 3, stride=2, padding=1, bias=False))
            block.add_module("bn", nn.BatchNorm2d(outputs))
            block.add_module("relu", nn.ReLU())
            self.stem.append(block)
            channels = outputs
        self.proj = nn.Conv2d(width, width, 1)

    def forward(self, image):
        return self.proj(self.stem(images_first(image))).flatten(2).transpose(1, 2)


class ShiftedPatchTokenization(nn.Module):
    """[N, H, W, C] → [N, H/p · W/p, D] (Lee et al. 2021): the image and four copies moved by half a patch, layer norm, a linear map."""

    def __init__(self, channels, patch, width):
        super().__init__()
        self.patch = patch
        self.norm = nn.LayerNorm(5 * channels * patch ** 2, eps=1e-5)
        self.proj = nn.Linear(5 * channels * patch ** 2, width)

    def forward(self, image):
        x, shift, patch = images_first(image), self.patch // 2, self.patch
        height, width = x.shape[2:]
        wide = F.pad(x, (shift,) * 4)
        corners = [wide[:, :, top:top + height, left:left + width] for top in (0, 2 * shift) for left in (0, 2 * shift)]
        x = torch.cat([x, *corners], 1)
        pieces = x.reshape(*x.shape[:2], height // patch, patch, width // patch, patch).permute(0, 2, 4, 3, 5, 1)
        return self.proj(self.norm(pieces.flatten(3).flatten(1, 2)))


def normalization(kind, channels):
    """`batch`, `none`, or the number of groups of group norm, 1 for layer norm over all of an image (Wu, He 2018)."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.Identity() if kind == "none" else nn.GroupNorm(kind, channels)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2015); without norm the convolutions have biases.

    Option A takes every second pixel and adds channels of zeros, half before and half after; option B is a strided 1×1 convolution with a norm
    (`downsample.0`, `downsample.1`).
    """

    def __init__(self, inputs, outputs, stride, option, norm="batch", activation=functools.partial(F.relu, inplace=True)):
        super().__init__()
        bias = norm == "none"
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)
        self.bn1 = normalization(norm, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias)
        self.bn2 = normalization(norm, outputs)
        self.activation = activation
        self.stride, self.extra = stride, outputs - inputs
        self.downsample = None
        if option == "B" and (stride != 1 or inputs != outputs):
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=bias), normalization(norm, outputs))

    def shortcut(self, x):
        if self.downsample is not None:
            return self.downsample(x)
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.extra // 2, self.extra - self.extra // 2))

    def forward(self, x):
        y = self.activation(self.bn1(self.conv1(x)))
        return self.activation(self.bn2(self.conv2(y)) + self.shortcut(x))


class LeNet5(nn.Module):
    """28×28×1: tanh, average pooling, the first convolution padded by 2. fc1 sees the features in PyTorch's order: C, H, W."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, image):
        x = F.avg_pool2d(torch.tanh(self.conv1(images_first(image))), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.fc1(x.flatten(1)))
        return self.fc3(torch.tanh(self.fc2(x)))


class CIFARResNet(nn.Module):
    """ResNet-(6n+2) for small images; `stages` below 3 cuts the network after that stage and gives [N, C, h, w]."""

    def __init__(self, depth=20, width=16, channels=1, classes=10, option="A", stages=3):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stages, inputs = stages, width
        for stage in range(stages):
            blocks = []
            for block in range((depth - 2) // 6):
                outputs = width << stage
                blocks.append(BasicBlock(inputs, outputs, 2 if stage > 0 and block == 0 else 1, option))
                inputs = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        if stages == 3:
            self.fc = nn.Linear(inputs, classes)

    def forward(self, image):
        x = F.relu(self.bn1(self.conv1(images_first(image))), inplace=True)
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3))) if self.stages == 3 else x


class VisionTransformer(nn.Module):
    """Class token, learned position embeddings, final norm, head on the class token."""

    def __init__(self, size, patch, width, depth, heads, channels=1, classes=10, ratio=4):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (size // patch) ** 2, width))
        self.patch_embed = PatchEmbedding(channels, patch, width)
        self.blocks = nn.Sequential(*[TransformerBlock(width, heads, ratio) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, image):
        tokens = self.patch_embed(image)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(tokens))[:, 0])


class Hybrid(nn.Module):
    """A CIFAR ResNet cut after stage 2, its cells as 1×1 patches, a transformer, the mean over normalized tokens."""

    def __init__(self, size, backbone_width, width, depth, heads, channels=1, classes=10, ratio=4):
        super().__init__()
        self.backbone = CIFARResNet(20, backbone_width, channels, stages=2)
        self.patch_embed = PatchEmbedding(2 * backbone_width, 1, width)
        self.pos_embed = nn.Parameter(torch.zeros(1, (size // 2) ** 2, width))
        self.blocks = nn.Sequential(*[TransformerBlock(width, heads, ratio) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, image):
        cells = self.backbone(image).permute(0, 2, 3, 1)
        tokens = self.patch_embed(cells) + self.pos_embed
        return self.head(self.norm(self.blocks(tokens)).mean(1))


class CompactBlock(TransformerBlock):
    """Without biases of queries, keys and values; the stream itself is normalized before the perceptron's branch (Hassani et al. 2021)."""

    def __init__(self, width, heads, ratio):
        super().__init__(width, heads, ratio)
        self.attn.qkv = nn.Linear(width, 3 * width, bias=False)
        self.norm1.eps = self.norm2.eps = 1e-5

    def forward(self, x):
        x = self.norm2(x + self.attn(self.norm1(x)))
        return x + self.mlp(x)


class CompactTransformer(nn.Module):
    """CCT: convolutions, ReLU and max-pools make the tokens; a trained weight for each token makes their mean."""

    def __init__(self, size, convolutions, width, depth, heads, channels=1, classes=10, ratio=1, kernel=3):
        super().__init__()
        self.tokenizer = nn.ModuleList()
        for index in range(convolutions):
            outputs = width if index == convolutions - 1 else 64
            self.tokenizer.append(nn.Conv2d(channels, outputs, kernel, stride=max(1, kernel // 2 - 1), padding=kernel // 2, bias=False))
            channels, size = outputs, (size - 1) // max(1, kernel // 2 - 1) // 2 + 1
        self.pos_embed = nn.Parameter(torch.zeros(1, size ** 2, width))
        self.blocks = nn.Sequential(*[CompactBlock(width, heads, ratio) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.attention_pool = nn.Linear(width, 1)
        self.head = nn.Linear(width, classes)

    def forward(self, image):
        x = images_first(image)
        for convolution in self.tokenizer:
            x = F.max_pool2d(F.relu(convolution(x)), 3, stride=2, padding=1)
        x = self.norm(self.blocks(x.flatten(2).transpose(1, 2) + self.pos_embed))
        return self.head((self.attention_pool(x).softmax(1).transpose(1, 2) @ x).squeeze(1))


class ImageNetBasicBlock(nn.Module):
    """The block of ResNet-18 and -34 in torchvision's form."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += shortcut
        return self.relu(y)


class ResNet18(nn.Module):
    """Small images: a 3×3 stem without max-pooling. Otherwise the 7×7 stem, stride 2, and 3×3 max-pooling, stride 2."""

    def __init__(self, small, channels, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False) if small else nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        inputs = 64
        for stage in range(4):
            outputs = 64 << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(
                ImageNetBasicBlock(inputs, outputs, 2 if stage > 0 else 1), ImageNetBasicBlock(outputs, outputs, 1)))
            inputs = outputs
        self.fc = nn.Linear(512, classes)

    def forward(self, image):
        x = self.maxpool(self.relu(self.bn1(self.conv1(images_first(image)))))
        for stage in range(4):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


def randomize(module, source):
    """Fills every parameter, in the module's order, with float32 values large enough that each one matters.

    Residual branches of a ResNet start at a tenth of their size: at full size ResNet-20 amplifies rounding so much that ten
    steps of SGD in float32 and in float64 end with losses 2% apart; so, 6e-7.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            leaf = name.rsplit(".", 1)[-1]
            shape = tuple(parameter.shape)
            if leaf == "weight" and parameter.ndim >= 2:
                fan_in = parameter[0].numel()
                gain = 2.0 if parameter.ndim == 4 and shape[-1] == 3 else 1.0  # 3×3 convolutions feed ReLUs
                values = source.normal(*shape, scale=(gain / fan_in) ** 0.5)
            elif leaf == "weight":
                branch = 0.1 if name.endswith("bn2.weight") else 1.0
                values = branch * source.normal(*shape, scale=0.1, shift=1.0)
            elif leaf == "bias":
                values = source.normal(*shape, scale=0.1)
            else:  # tokens and position embeddings
                values = source.normal(*shape, scale=0.2)
            parameter.copy_(torch.from_numpy(values))
