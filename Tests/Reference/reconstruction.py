"""Writes Tests/Fixtures/reconstruction.json: ten training losses of networks that give images, in float64, with what is measured and the gradients of the
first step, for Tests/ModelsTests/ReconstructionModelTests.swift.

    python reconstruction.py

Networks are written here from their papers, transformer blocks are timm's; SSIM is also computed by scikit-image. Weights and images come from the formula of
zoo.py, random numbers from philox.py.
"""

import functools
import json
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F
from skimage.metrics import structural_similarity
from torch import nn

import vision_libraries  # noqa: F401  before timm
from timm.layers import PatchEmbed
from timm.models.vision_transformer import Block

from philox import Draws
from pixel_gradients import filled, pixels
from zoo import uniform

MEAN, DEVIATION, STEPS, RATE = 0.4, 0.25, 10, 0.05


def words(name, batch, step, count):
    """Numbers from 0 up to 1 for each sample."""
    rows = []
    for sample in range(batch):
        draws = Draws(name, step, sample)
        rows.append([(draws.word() >> 8) * 2.0**-24 for _ in range(-(-count // 4) * 4)])
    return numpy.array(rows)


def normal(name, batch, step, count):
    uniforms = words(name, batch, step, count)
    radius, angle = numpy.sqrt(-2 * numpy.log(uniforms[:, 0::2] + 2.0**-24)), 2 * math.pi * uniforms[:, 1::2]
    return torch.tensor(numpy.stack([radius * numpy.cos(angle), radius * numpy.sin(angle)], 2).reshape(batch, -1)[:, :count])


def choices(name, batch, step, count, probability):
    return torch.tensor((words(name, batch, step, count)[:, :count] < int(probability * 2**24) / 2**24).astype(float))


def activated(kind, x):
    return {"relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "identity": lambda x: x}[kind](x)


class Coded(nn.Module):
    """What autoencoders have in common; `penalties` are those of the last call."""

    def __init__(self, options, numbers):
        super().__init__()
        self.options, self.numbers, self.step = options, numbers, 0

    def coded(self, x):
        size, values = self.options["code"], self.code(x)
        self.penalties = {}
        if self.options.get("variational"):
            mean, log_variance = values[:, :size], values[:, size:]
            divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1) / self.numbers
            self.penalties["divergence"] = (self.options.get("kl_weight", 1), divergence.mean())
            return mean + (0.5 * log_variance).exp() * normal("code", len(x), self.step, size).to(x)
        code = activated(self.options.get("code_activation", "identity"), values)
        if "sparsity" in self.options:
            self.penalties["sparsity"] = (self.options["sparsity"], code.abs().sum(1).mean())
        return code


class Autoencoder(Coded):
    def __init__(self, options, height, width, channels):
        super().__init__(options, height * width * channels)
        sizes, code = [self.numbers] + options["widths"], options["code"]
        self.encoder = nn.ModuleDict({f"fc{i + 1}": nn.Linear(a, b) for i, (a, b) in enumerate(zip(sizes, sizes[1:]))})
        self.code = nn.Linear(sizes[-1], 2 * code if options.get("variational") else code)
        back = [code] + sizes[::-1]
        self.decoder = nn.ModuleDict({f"fc{i + 1}": nn.Linear(a, b) for i, (a, b) in enumerate(zip(back, back[1:]))})
        self.shape = (height, width, channels)

    def encoded(self, x):
        for layer in self.encoder.values():
            x = activated(self.options.get("activation", "relu"), layer(x))
        return self.coded(x)

    def forward(self, images):
        flat = images.permute(0, 2, 3, 1).flatten(1)
        code = x = self.encoded(flat)
        if "contraction" in self.options:
            jacobian = torch.func.vmap(torch.func.jacrev(lambda one: self.encoded(one[None])[0]))(flat)
            self.encoded(flat)
            self.penalties["contraction"] = (self.options["contraction"], (jacobian**2).sum((1, 2)).mean())
        for place, layer in enumerate(self.decoder.values(), 1):
            x = layer(x)
            x = x if place == len(self.decoder) else activated(self.options.get("activation", "relu"), x)
        return x.unflatten(1, self.shape).permute(0, 3, 1, 2), code


class Convolutional(Coded):
    def __init__(self, options, height, width, channels):
        super().__init__(options, height * width * channels)
        depth, first = options["depth"], options["width"]
        sizes = [(height, width)]
        for _ in range(depth):
            sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
        levels = [channels] + [first << level for level in range(depth)]
        self.encoder, self.decoder = nn.ModuleDict(), nn.ModuleDict()
        for level in range(1, depth + 1):
            self.encoder[str(level)] = nn.ModuleDict({"conv": nn.Conv2d(levels[level - 1], levels[level], 3, 2, 1), "norm": nn.BatchNorm2d(levels[level])})
        self.map = (*sizes[depth], levels[depth])
        self.code = nn.Linear(math.prod(self.map), 2 * options["code"] if options.get("variational") else options["code"])
        self.decoder["fc"] = nn.Linear(options["code"], math.prod(self.map))
        for place in range(1, depth + 1):
            level = depth - place
            odd = [to - (2 * source - 1) for source, to in zip(sizes[level + 1], sizes[level])]
            block = {"conv": nn.ConvTranspose2d(levels[level + 1], levels[level], 3, 2, 1, odd)}
            self.decoder[str(place)] = nn.ModuleDict(block | ({"norm": nn.BatchNorm2d(levels[level])} if level else {}))

    def forward(self, images):
        x = images
        for block in self.encoder.values():
            x = F.relu(block["norm"](block["conv"](x)))
        code = self.coded(x.permute(0, 2, 3, 1).flatten(1))
        x = F.relu(self.decoder["fc"](code)).unflatten(1, self.map).permute(0, 3, 1, 2)
        for name, block in self.decoder.items():
            if name != "fc":
                x = block["conv"](x)
                x = F.relu(block["norm"](x)) if "norm" in block else x
        return x, code


def sine_cosine(rows, columns, width, prefix):
    omega = 10000.0 ** (-numpy.arange(width // 4) / (width // 4))
    y, x = numpy.meshgrid(numpy.arange(rows), numpy.arange(columns), indexing="ij")
    parts = [f(place.reshape(-1, 1) * omega) for place in (x, y) for f in (numpy.sin, numpy.cos)]
    return torch.tensor(numpy.concatenate([numpy.zeros((prefix, width)), numpy.concatenate(parts, 1)]))


class Masked(nn.Module):
    def __init__(self, options, height, width, channels):
        super().__init__()
        self.options, self.penalties, self.step = options, {}, 0
        self.patch, self.channels, self.grid = options["patch"], channels, (height // options["patch"], width // options["patch"])
        inner, outer = options["width"], options["decoder_width"]
        self.patch_embed = PatchEmbed((height, width), self.patch, channels, inner)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, inner))
        norm = functools.partial(nn.LayerNorm, eps=1e-6)
        self.blocks = nn.Sequential(*(Block(inner, options["heads"], qkv_bias=True, norm_layer=norm) for _ in range(options["depth"])))
        self.norm = norm(inner)
        decoder = nn.Module()
        decoder.embed, decoder.mask_token = nn.Linear(inner, outer), nn.Parameter(torch.zeros(outer))
        decoder.blocks = nn.Sequential(*(Block(outer, options["decoder_heads"], qkv_bias=True, norm_layer=norm) for _ in range(options["decoder_depth"])))
        decoder.norm, decoder.pred = norm(outer), nn.Linear(outer, self.patch**2 * channels)
        self.decoder = decoder

    def seen(self, batch, count):
        """Algorithm S of Knuth on every image's draws."""
        total = self.grid[0] * self.grid[1]
        chosen = torch.zeros(batch, total, dtype=torch.bool)
        for sample in range(batch):
            draws, wanted = Draws("masking", self.step, sample), count
            for token in range(total):
                if draws.between(0, total - token - 1) < wanted:
                    chosen[sample, token], wanted = True, wanted - 1
        return chosen

    def patched(self, images):
        p, (rows, columns) = self.patch, self.grid
        return images.permute(0, 2, 3, 1).reshape(len(images), rows, p, columns, p, self.channels).permute(0, 1, 3, 2, 4, 5).flatten(3).flatten(1, 2)

    def forward(self, images):
        rows, columns = self.grid
        batch, total, inner, outer = len(images), rows * columns, self.options["width"], self.options["decoder_width"]
        chosen = self.seen(batch, max(1, int(total * (1 - self.options["mask"]))))
        places = sine_cosine(rows, columns, inner, 1).to(images)
        tokens = self.patch_embed(images) + places[1:]
        z = torch.cat([(self.cls_token + places[0]).expand(batch, 1, inner), tokens[chosen].unflatten(0, (batch, -1))], 1)
        y = self.decoder.embed(self.norm(self.blocks(z)))
        x = self.decoder.mask_token.expand(batch, total, outer).clone()
        x[chosen] = y[:, 1:].flatten(0, 1)
        x = torch.cat([y[:, :1], x], 1) + sine_cosine(rows, columns, outer, 1).to(images)
        prediction = self.decoder.pred(self.decoder.norm(self.decoder.blocks(x)))[:, 1:]
        target = self.patched(images)
        if self.options.get("normalize_patches", True):
            mean, variance = target.mean(2, keepdim=True), target.var(2, keepdim=True)
            prediction, target = prediction * (variance + 1e-6).sqrt() + mean, target
            self.scale = (variance + 1e-6).sqrt()
        else:
            self.scale = torch.ones_like(target[..., :1])
        self.loss = ((((prediction - target) / self.scale) ** 2).mean(2) * ~chosen).sum(1) / (~chosen).sum(1)
        p = self.patch
        image = prediction.reshape(batch, rows, columns, p, p, self.channels).permute(0, 1, 3, 2, 4, 5).reshape(batch, rows * p, columns * p, self.channels)
        hidden = (~chosen).reshape(batch, rows, 1, columns, 1).expand(batch, rows, p, columns, p).reshape(batch, 1, rows * p, columns * p)
        return image.permute(0, 3, 1, 2), hidden.to(images)


def similarity(x, y, window=11):
    """SSIM of each image, by convolutions."""
    side = [min(window, n if n % 2 else n - 1) for n in x.shape[2:]]
    g = [torch.exp(-((torch.arange(n) - n // 2) ** 2) / (2 * 1.5**2)).to(x) for n in side]
    kernel = (g[0][:, None] * g[1]) / (g[0].sum() * g[1].sum())
    mean = lambda v: F.conv2d(v.flatten(0, 1)[:, None], kernel[None, None])[:, 0].unflatten(0, v.shape[:2])  # noqa: E731
    mx, my = mean(x), mean(y)
    vx, vy, c = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    return ((2 * mx * my + 1e-4) * (2 * c + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))).mean((1, 2, 3))


def corrupted(images, options, step):
    batch, channels, height, width = images.shape
    (kind, amount), = options.get("corruption", {"none": 0}).items()
    if kind == "gaussian":
        noise = normal("corruption", batch, step, height * width * channels).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
        return ((images * DEVIATION + MEAN + amount * noise.to(images)).clamp(0, 1) - MEAN) / DEVIATION, None
    if kind in ("masking", "salt_and_pepper"):
        hidden = choices("corruption", batch, step, height * width, amount).reshape(batch, 1, height, width).to(images)
        value = 0 if kind == "masking" else choices("corruption#1", batch, step, height * width, 0.5).reshape(batch, 1, height, width).to(images)
        return images * (1 - hidden) + (value - MEAN) / DEVIATION * hidden, hidden
    if kind == "square":
        side, hidden = max(1, round(amount * min(height, width))), torch.zeros(batch, 1, height, width)
        for sample, (a, b) in enumerate(words("corruption", batch, step, 2)[:, :2]):
            top, left = int(a * (height - side + 1)), int(b * (width - side + 1))
            hidden[sample, :, top:top + side, left:left + side] = 1
        return images * (1 - hidden.to(images)) + (0.5 - MEAN) / DEVIATION * hidden.to(images), hidden.to(images)
    return images, None


KERNELS = {"sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]], "gaussian_5": (numpy.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256).tolist()}


def measured(network, images, options, step):
    """The loss of a step, and what is measured beside it."""
    seen, hidden = corrupted(images, options, step)
    network.step = step
    output, second = network(seen)
    if isinstance(network, Masked):
        hidden = second
    elif options.get("counted") != "hidden":
        hidden = None
    truth = images * DEVIATION + MEAN
    if "target" in options:
        kernel = torch.tensor(KERNELS[options["target"]]).to(truth)
        reach = len(kernel) // 2
        padded = F.pad(truth, [reach] * 4, mode="reflect")
        truth = F.conv2d(padded.flatten(0, 1)[:, None], kernel[None, None])[:, 0].unflatten(0, truth.shape[:2])
    kind = options.get("loss", "mse")
    answer = output.sigmoid() if kind == "bce" else output * DEVIATION + MEAN
    weight = torch.ones_like(truth) if hidden is None else hidden.expand_as(truth)
    mean = lambda v: (v * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))  # noqa: E731
    squares, whole = mean((answer - truth) ** 2), answer * weight + truth * (1 - weight)
    gray = torch.tensor([0.299, 0.587, 0.114]).to(truth)[None, :, None, None]
    loss = {
        "mse": lambda: network.loss if isinstance(network, Masked) else squares, "l1": lambda: mean((answer - truth).abs()), "ssim": lambda: 1 - similarity(answer, truth),
        "bce": lambda: mean(F.binary_cross_entropy_with_logits(output, truth, reduction="none")),
        "luminance": lambda: (((answer - truth) * gray).sum(1) ** 2).mean((1, 2)),
    }[kind]().mean()
    total = loss + sum(w * value for w, value in network.penalties.values())
    ssim = similarity(whole, truth)
    if step == 0 and truth.dtype == torch.float64 and min(truth.shape[2:]) >= 11:
        for a, b, own in zip(whole.detach(), truth, ssim.detach()):
            other = numpy.mean([structural_similarity(x.numpy(), y.numpy(), data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
                                for x, y in zip(a.double(), b.double())])
            assert abs(other - own) < 1e-5, (other, own)
    psnr = 10 * torch.log10(1 / squares)
    return total, {"psnr": psnr.mean().item(), "ssim": ssim.mean().item(), "mse": squares.mean().item()} | {n: v.item() for n, (_, v) in network.penalties.items()}


def training(family, model, task, make, batch, height, width, channels=1):
    def train(dtype):
        network = filled(lambda: make(model, height, width, channels), dtype)
        optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9)
        losses, first, gradients = [], None, None
        for step in range(STEPS):
            loss, values = measured(network, pixels(f"images {step}", batch, height, width, channels, dtype), task, step)
            optimizer.zero_grad()
            loss.backward()
            if step == 0:
                first, gradients = values, {name: p.grad.double().numpy().ravel().copy() for name, p in network.named_parameters()}
            optimizer.step()
            losses.append(loss.item())
        return losses, first, gradients

    (single, *_), (losses, first, gradients) = train(torch.float32), train(torch.float64)
    print(f"{family}: {losses[0]:.4f} → {losses[-1]:.4f}, float32 against float64 within {max(abs(a - b) / b for a, b in zip(single, losses)):.1e}", first)
    return {
        "definition": json.dumps({family: model}), "task": json.dumps(task), "size": (batch, height, width, channels), "rate": RATE, "losses": losses, "measures": first,
        "norm": math.sqrt(sum(float(g @ g) for g in gradients.values())),
        "gradients": [
            {"name": name, "norm": float(numpy.linalg.norm(g)), "projection": float(g @ uniform(f"direction of {name}", g.size))} for name, g in gradients.items()
        ],
    }


if __name__ == "__main__":
    small = {"widths": [12, 8], "code": 5}
    mae = {"patch": 4, "width": 16, "depth": 2, "heads": 2, "decoder_width": 8, "decoder_heads": 2, "decoder_depth": 1, "mask": 0.75, "mlp_ratio": 4}
    trainings = [
        training("autoencoder", small | {"activation": "tanh", "sparsity": 0.01}, {"loss": "l1", "corruption": {"masking": 0.3}}, Autoencoder, 8, 12, 13),
        training("autoencoder", small | {"activation": "sigmoid", "code_activation": "tanh", "contraction": 0.1}, {"loss": "ssim"}, Autoencoder, 8, 12, 13),
        training("autoencoder", small | {"activation": "tanh", "variational": True, "kl_weight": 2}, {"loss": "bce"}, Autoencoder, 8, 12, 13),
        training("conv_autoencoder", {"width": 4, "depth": 2, "norm": "batch", "code": 6}, {"corruption": {"gaussian": 0.3}}, Convolutional, 8, 13, 18),
        training("conv_autoencoder", {"width": 4, "depth": 3, "norm": "batch", "code": 6}, {"loss": "luminance", "corruption": {"salt_and_pepper": 0.2}}, Convolutional, 8, 12, 16, 3),
        training("conv_autoencoder", {"width": 4, "depth": 2, "norm": "batch", "code": 6}, {"corruption": {"square": 0.5}, "counted": "hidden"}, Convolutional, 8, 14, 12, 2),
        training("conv_autoencoder", {"width": 4, "depth": 2, "norm": "batch", "code": 6}, {"target": "sharpen"}, Convolutional, 8, 14, 12),
        training("mae", mae, {}, Masked, 8, 12, 16),
        training("mae", mae | {"normalize_patches": False, "mask": 0.5}, {"loss": "l1"}, Masked, 8, 12, 16, 3),
    ]
    path = pathlib.Path(__file__).parent.parent / "Fixtures/reconstruction.json"
    path.write_text(json.dumps(trainings, indent=0) + "\n")
