"""Ten training steps of six networks and five steps of each optimizer, by PyTorch.

    python training.py [MODEL …]            # without models all, and the optimizers; swin needs timm 1.0.31

Writes Tests/Fixtures/training_batches.h5, training_<model>.h5 and optimizers.h5.
"""

import copy
import sys

import numpy
import torch
import torch.nn.functional as F

from fixtures import FixtureFile, Source, exact
from models import CIFARResNet, CompactTransformer, Hybrid, LeNet5, VisionTransformer, images_first, randomize

STEPS, BATCH, SIZE, CLASSES = 10, 16, 28, 10


# Batches

def batches():
    """uint8 images [10, 16, 28, 28, 1] and labels [10, 16]: a grating and a blob that depend on the class, and noise."""
    random = Source("training batches").generator
    labels = random.integers(0, CLASSES, (STEPS, BATCH))
    rows, columns = numpy.mgrid[:SIZE, :SIZE]
    images = numpy.empty((STEPS, BATCH, SIZE, SIZE, 1), dtype=numpy.uint8)
    for index in numpy.ndindex(STEPS, BATCH):
        label = labels[index]
        angle = label * numpy.pi / CLASSES + random.normal(0, 0.1)
        along = rows * numpy.sin(angle) + columns * numpy.cos(angle)
        grating = numpy.sin(along * (0.3 + 0.06 * (label % 4)) + random.normal(0, 0.3))
        center = 8 + 12 * numpy.array([label // 5, label % 2]) + random.normal(0, 2, 2)
        blob = numpy.exp(-((rows - center[0]) ** 2 + (columns - center[1]) ** 2) / 18)
        pixels = 0.35 + 0.2 * grating + 0.4 * blob + random.normal(0, 0.08, (SIZE, SIZE))
        images[index] = numpy.clip(numpy.rint(255 * pixels), 0, 255)[..., None]
    return images, labels


# Networks

def swin(size, patch, width, depths, heads, window, ratio):
    """timm's Swin Transformer on [N, H, W, C], without drop path."""
    from vision_libraries import timm

    class Swin(timm.models.swin_transformer.SwinTransformer):
        def forward(self, image):
            return super().forward(images_first(image))

    return Swin(
        img_size=size, patch_size=patch, in_chans=1, num_classes=CLASSES, embed_dim=width, depths=depths, num_heads=heads, window_size=window,
        mlp_ratio=ratio, drop_path_rate=0.0)


MODELS = {
    "lenet5": (LeNet5, {}),
    "resnet20": (CIFARResNet, {"depth": 20, "width": 16, "option": "A"}),
    "vit": (VisionTransformer, {"size": 28, "patch": 7, "width": 32, "depth": 2, "heads": 2}),
    "hybrid": (Hybrid, {"size": 28, "backbone_width": 8, "width": 32, "depth": 2, "heads": 2}),
    # 14×14 cells in windows of 4, which do not fill them; the second stage has 7×7.
    "swin": (swin, {"size": 28, "patch": 2, "width": 16, "depths": [2, 2], "heads": [2, 4], "window": 4, "ratio": 2}),
    "cct": (CompactTransformer, {"size": 28, "convolutions": 2, "width": 32, "depth": 2, "heads": 2}),
}
KEPT_WHOLE = {  # parameters whose final values are stored; of the others, the norm
    "lenet5": ["conv1.weight", "conv2.bias", "fc3.weight", "fc3.bias"],
    "resnet20": ["conv1.weight", "bn1.weight", "layer2.0.bn2.bias", "layer3.2.bn2.weight", "fc.weight", "fc.bias"],
    "vit": ["cls_token", "pos_embed", "patch_embed.proj.bias", "blocks.1.attn.qkv.bias", "norm.weight", "head.weight", "head.bias"],
    "swin": ["patch_embed.norm.weight", "layers.0.blocks.1.attn.relative_position_bias_table", "layers.1.downsample.reduction.weight", "norm.bias", "head.fc.weight"],
    "cct": ["tokenizer.0.weight", "blocks.0.norm2.weight", "attention_pool.weight", "norm.bias", "head.weight", "head.bias"],
    "hybrid": ["backbone.conv1.weight", "backbone.layer2.0.bn1.weight", "patch_embed.proj.weight", "norm.weight", "head.weight", "head.bias"],
}
SGD = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.0}
ADAMW = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.05}


def is_decayed(name, parameter):
    return parameter.ndim >= 2 and name not in ("cls_token", "pos_embed") and not name.endswith("relative_position_bias_table")


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=SGD["learning_rate"], momentum=SGD["momentum"])


def adamw(model):
    named = list(model.named_parameters())
    groups = [
        {"params": [p for name, p in named if is_decayed(name, p)], "weight_decay": ADAMW["weight_decay"]},
        {"params": [p for name, p in named if not is_decayed(name, p)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=ADAMW["learning_rate"], betas=(ADAMW["beta1"], ADAMW["beta2"]), eps=ADAMW["epsilon"])


def train(initial, make_optimizer, images, labels, dtype):
    """Trains a copy; returns the loss of every step, before its update, and the trained copy."""
    model = copy.deepcopy(initial).to(dtype).train()
    optimizer = make_optimizer(model)
    losses = []
    for step in range(STEPS):
        loss = F.cross_entropy(model(images[step].to(dtype)), labels[step])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def write_run(file, name, optimizer, arguments, initial, make_optimizer, images, labels):
    single, model = train(initial, make_optimizer, images, labels, torch.float32)
    double, reference = train(initial, make_optimizer, images, labels, torch.float64)
    file.group(optimizer, attributes=arguments)
    file.double(f"{optimizer}/losses", single)
    file.double(f"{optimizer}/losses_float64", double)
    for key, parameter in reference.named_parameters():
        file.double(f"{optimizer}/final_norms/{key}", parameter.detach().norm().numpy())
        if key in KEPT_WHOLE[name]:
            file.array(f"{optimizer}/final_parameters/{key}", parameter)
    for key, buffer in reference.state_dict().items():
        if key in dict(reference.named_buffers()) and buffer.ndim:
            file.array(f"{optimizer}/final_buffers/{key}", buffer)
    error = max(abs(a - b) / b for a, b in zip(single, double))
    print(f"  {optimizer}: {double[0]:.4f} → {double[-1]:.4f}, float32 against float64 within {error:.1e}")


def write_models(names):
    images, labels = batches()
    if not names:
        with FixtureFile("training_batches.h5") as file:
            file.array("/images", images)
            file.array("/labels", labels)
    images = torch.from_numpy(images.astype(numpy.float32) / numpy.float32(255))
    labels = torch.from_numpy(labels)
    for name in names or MODELS:
        network, arguments = MODELS[name]
        model = network(**arguments)
        randomize(model, Source(name))
        with FixtureFile(f"training_{name}.h5") as file:
            file.group("/initial_parameters", attributes=arguments)
            for key, parameter in model.named_parameters():
                file.array(f"/initial_parameters/{key}", parameter)
            write_run(file, name, "sgd", SGD, model, sgd, images, labels)
            if name in ("vit", "swin"):
                write_run(file, name, "adamw", ADAMW, model, adamw, images, labels)


# Optimizers

def write_optimizers():
    """Five steps with given gradients: the parameters after each step [5, 7]; and clipping by the norm over two gradients."""
    optim = torch.optim
    adam = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    settings = {
        "sgd": (optim.SGD, {"learning_rate": 0.1, "weight_decay": 0.0}),
        "sgd_weight_decay": (optim.SGD, {"learning_rate": 0.1, "weight_decay": 0.05}),
        "sgd_momentum": (optim.SGD, {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0}),
        "sgd_momentum_weight_decay": (optim.SGD, {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
        "sgd_nesterov": (optim.SGD, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0}),
        "sgd_nesterov_weight_decay": (optim.SGD, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
        "adagrad": (optim.Adagrad, {"learning_rate": 0.1, "epsilon": 1e-10, "weight_decay": 0.0}),
        "adagrad_weight_decay": (optim.Adagrad, {"learning_rate": 0.1, "epsilon": 1e-10, "weight_decay": 0.05}),
        "adam": (optim.Adam, {"learning_rate": 0.01, **adam, "weight_decay": 0.0}),
        "adam_weight_decay": (optim.Adam, {"learning_rate": 0.01, **adam, "weight_decay": 0.05}),
        "adamw": (optim.AdamW, {"learning_rate": 0.01, **adam, "weight_decay": 0.0}),
        "adamw_weight_decay": (optim.AdamW, {"learning_rate": 0.01, **adam, "weight_decay": 0.05}),
        "adamw_other_betas": (optim.AdamW, {"learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6, "weight_decay": 0.1}),
    }
    source = Source("optimizers")
    initial = source.normal(7)
    gradients = source.normal(5, 7)
    gradients[:, 3] = 0  # a parameter that never gets a gradient
    gradients[1:, 5] *= numpy.float32(1e-4)
    with FixtureFile("optimizers.h5") as file:
        for name, (optimizer_type, arguments) in settings.items():
            parameter = exact(initial).requires_grad_()
            keywords = {"lr": arguments["learning_rate"], "weight_decay": arguments["weight_decay"]}
            if "momentum" in arguments:
                keywords |= {"momentum": arguments["momentum"], "nesterov": arguments.get("nesterov", False)}
            if "beta1" in arguments:
                keywords["betas"] = (arguments["beta1"], arguments["beta2"])
            if "epsilon" in arguments:
                keywords["eps"] = arguments["epsilon"]
            optimizer = optimizer_type([parameter], **keywords)
            trajectory = []
            for gradient in gradients:
                parameter.grad = exact(gradient)
                optimizer.step()
                trajectory.append(parameter.detach().clone())
            file.group(name, operation=optimizer_type.__name__.lower(), attributes=arguments)
            file.array(f"{name}/inputs/0", initial)
            file.array(f"{name}/inputs/1", gradients)
            file.array(f"{name}/outputs/0", torch.stack(trajectory))

        clipped = [source.normal(3, 4), source.normal(5)]
        for name, maximum in [("clip_active", 1.0), ("clip_inactive", 100.0)]:
            parameters = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in clipped]
            for parameter, gradient in zip(parameters, clipped):
                parameter.grad = exact(gradient)
            norm = torch.nn.utils.clip_grad_norm_(parameters, maximum)
            file.group(name, operation="clip_gradient_norm", attributes={"maximum_norm": maximum})
            file.array(f"{name}/extra/norm", norm)
            for index, (gradient, parameter) in enumerate(zip(clipped, parameters)):
                file.array(f"{name}/inputs/{index}", gradient)
                file.array(f"{name}/outputs/{index}", parameter.grad)


if __name__ == "__main__":
    write_models(sys.argv[1:])
    if not sys.argv[1:]:
        write_optimizers()
