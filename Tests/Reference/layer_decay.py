"""Writes Fixtures/layer_decay.json: learning rates that decay from layer to layer, by timm.

    python layer_decay.py            # in an environment with torch 2.13.0, torchvision 0.28.0 and timm 1.0.31

`layers` has the layer of every parameter of some of timm's networks, from 0, as `param_groups_layer_decay` groups them. `trainings` has twenty steps
of AdamW on a small vision transformer with timm's groups and scheduler, computed in float64 from the weights and images of zoo.py's formula: the loss
of every step before its update, and of each parameter's change its norm, its product with a random direction, and 8 of its numbers. The biases of
keys, which softmax does not see, count as 0: Adam drives them by nothing but rounding.
"""

import json
import pathlib

import numpy
import torch
import torch.nn.functional as F

from zoo import CLASSES, small_deit, small_swin, small_vit, timm, uniform, values, vit

# What loads torchvision first is above.
from timm.models._manipulate import group_parameters
from timm.optim import param_groups_layer_decay
from timm.scheduler import StepLRScheduler

STEPS, BATCH, SIDE = 20, 8, 32
DECAY, RATE, WEIGHT_DECAY = 0.75, 1e-3, 0.05
DEPTH = 4


def places(count):
    """Up to 8, spread evenly."""
    return [index * count // min(count, 8) for index in range(min(count, 8))]


def layers(definition, make):
    network = make(num_classes=CLASSES)
    return {"definition": json.dumps(definition), "layers": group_parameters(network, network.group_matcher(coarse=False), reverse=True)}


def small_resnet(num_classes):
    return timm.models.resnet.ResNet(timm.models.resnet.BasicBlock, [2, 2, 2, 2], num_classes=num_classes)


def small_convnext(num_classes):
    return timm.models.convnext.ConvNeXt(depths=(1, 1, 2, 1), dims=(8, 16, 32, 64), num_classes=num_classes)


LAYERS = [
    (vit(depth=3, registers=4), lambda num_classes: small_vit_of(3, reg_tokens=4)(num_classes)),
    (vit(pool="attention"), small_vit(global_pool="map", class_token=False)),
    (vit(distillation=True), small_deit),
    ({"resnet": {"depth": 18, "stem": "7x7"}}, small_resnet),
    ({"resnet_v2": {"depth": 50, "stem": "7x7"}}, lambda num_classes: timm.create_model("resnetv2_50", num_classes=num_classes)),
    ({"densenet": {"depth": 121, "stem": "7x7"}}, lambda num_classes: timm.create_model("densenet121", num_classes=num_classes)),
    ({"convnext": {"blocks": [1, 1, 2, 1], "width": 8}}, small_convnext),
    ({"swin": {"blocks": [2, 2], "width": 24, "heads": [2, 4], "window": 4, "patch": 2}}, small_swin(32)),
    ({"mobilenet": {}}, lambda num_classes: timm.create_model("mobilenetv1_100", num_classes=num_classes)),
    ({"xception": {}}, lambda num_classes: timm.create_model("legacy_xception", num_classes=num_classes)),
]


def small_vit_of(depth, **settings):
    return lambda num_classes: timm.models.vision_transformer.VisionTransformer(
        img_size=SIDE, patch_size=8, embed_dim=48, depth=depth, num_heads=3, num_classes=num_classes, **settings)


def training(freezes_patches, head_factor):
    """Twenty steps; the patch embedding may keep its values, and the head learn at another rate."""
    network = small_vit_of(DEPTH)(CLASSES).train()
    initial = {name: values(name, tuple(tensor.shape)).double() for name, tensor in network.state_dict().items()}
    network.load_state_dict(initial)
    network = network.double()
    for name, parameter in network.named_parameters():
        parameter.requires_grad = not (freezes_patches and name.startswith("patch_embed."))
    groups = param_groups_layer_decay(
        network, weight_decay=WEIGHT_DECAY, no_weight_decay_list=network.no_weight_decay(), layer_decay=DECAY)
    heads = {id(parameter) for parameter in network.head.parameters()}
    for group in groups:
        if any(id(parameter) in heads for parameter in group["params"]):
            assert all(id(parameter) in heads for parameter in group["params"])
            group["lr_scale"] *= head_factor
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    factors = {names[id(parameter)]: group["lr_scale"] for group in groups for parameter in group["params"]}
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    # The scheduler multiplies a group's rate by its `lr_scale`.
    scheduler = StepLRScheduler(optimizer, decay_t=10 * STEPS)
    losses = []
    for step in range(STEPS):
        scheduler.step(step)
        images = values(f"images {step}", (BATCH, SIDE, SIDE, 3)).double().permute(0, 3, 1, 2)
        loss = F.cross_entropy(network(images), (torch.arange(BATCH) * 3 + step) % CLASSES)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    changes = {name: (p.detach() - initial[name]).numpy().ravel() for name, p in network.named_parameters()}
    for name, change in changes.items():
        if name.endswith("qkv.bias"):
            change[change.size // 3: 2 * change.size // 3] = 0
    print(f"  loss {losses[0]:.4f} → {losses[-1]:.4f}")
    return {
        "freezes_patches": freezes_patches, "head_factor": head_factor, "factors": factors, "losses": losses,
        "changes": [
            {
                "name": name, "norm": float(numpy.linalg.norm(change)), "projection": float(change @ uniform(f"direction of {name}", change.size)),
                "entries": [float(f"{change[place]:.8g}") for place in places(change.size)],
            }
            for name, change in changes.items()
        ],
    }


if __name__ == "__main__":
    fixture = {
        "layers": [layers(*entry) for entry in LAYERS],
        "training": {
            "definition": json.dumps(vit(depth=DEPTH)), "batch": BATCH, "side": SIDE, "decay": DECAY, "learning_rate": RATE, "weight_decay": WEIGHT_DECAY,
            "runs": [training(False, 1), training(True, 5)],
        },
    }
    path = pathlib.Path(__file__).parent.parent / "Fixtures/layer_decay.json"
    path.write_text(json.dumps(fixture, indent=0) + "\n")
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
