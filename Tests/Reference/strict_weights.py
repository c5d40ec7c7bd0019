"""Weights from PyTorch's libraries to the program and back, for StrictWeightsTests.

    python strict_weights.py write NETWORK FOLDER    # theirs.safetensors and images.h5
    python strict_weights.py check NETWORK FOLDER    # loads ours.safetensors with strict=True, compares it and *.logits.h5

Checked are the numbers of every tensor, and that the largest difference of logits is below 1e-4 of their range.
"""

import pathlib
import sys

import h5py
import torch

from vision_libraries import safetensors, timm, torchvision
from zoo import values

models = torchvision.models
SIDE, CLASSES = 80, 10


def torchvision_vit():
    return models.VisionTransformer(
        image_size=SIDE, patch_size=16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768, num_classes=CLASSES)


def timm_vit():
    return timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES, img_size=SIDE)


# What writes the weights, and what loads them under the names that the program gives them.
NETWORKS = {
    "resnet18": (lambda: models.resnet18(num_classes=CLASSES),) * 2,
    "vgg11_bn": (lambda: models.vgg11_bn(num_classes=CLASSES, init_weights=False),) * 2,
    "densenet121": (lambda: models.densenet121(num_classes=CLASSES), lambda: timm.create_model("densenet121", num_classes=CLASSES)),
    "mobilenet_v2": (lambda: models.mobilenet_v2(num_classes=CLASSES),) * 2,
    "squeezenet1_1": (lambda: models.squeezenet1_1(num_classes=CLASSES),) * 2,
    "alexnet": (lambda: models.alexnet(num_classes=CLASSES),) * 2,
    "vit_timm": (timm_vit, torchvision_vit),
    "vit_torchvision": (torchvision_vit, timm_vit),
}


def write(source, folder):
    network = source().eval()
    state = network.state_dict()
    for name, tensor in state.items():
        state[name] = torch.tensor(7) if name.endswith("num_batches_tracked") else values(name, tuple(tensor.shape))
    network.load_state_dict(state, strict=True)
    safetensors.torch.save_file(network.state_dict(), folder / "theirs.safetensors")
    images = values("images", (3, SIDE, SIDE, 3)).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad(), h5py.File(folder / "images.h5", "w") as file:
        file["images"] = images.numpy()
        file["logits"] = network(images).numpy()


def check(target, folder):
    network = target().eval()
    network.load_state_dict(safetensors.torch.load_file(folder / "ours.safetensors"), strict=True)
    with h5py.File(folder / "images.h5") as file:
        images, expected = torch.from_numpy(file["images"][:]), torch.from_numpy(file["logits"][:])
    limit = 1e-4 * (expected.max() - expected.min())
    with torch.no_grad():
        assert (network(images) - expected).abs().max() < limit, "the network with the program's weights gives other logits"
    files = sorted(folder.glob("*.logits.h5"))
    assert len(files) == 3
    for path in files:
        with h5py.File(path) as file:
            difference = (torch.from_numpy(file["logits"][:]) - expected).abs().max()
        print(f"{path.name}: {difference / (expected.max() - expected.min()):.1e} of the range")
        assert difference < limit, path.name
    theirs = safetensors.torch.load_file(folder / "theirs.safetensors")
    ours = safetensors.torch.load_file(folder / "ours.safetensors")
    assert len(theirs) == len(ours)
    for name in set(theirs) & set(ours):
        # Counts of batches are not kept in HDF5.
        assert name.endswith("num_batches_tracked") or torch.equal(theirs[name], ours[name]), name


action, name, folder = sys.argv[1:]
source, target = NETWORKS[name]
if action == "write":
    write(source, pathlib.Path(folder))
else:
    check(target, pathlib.Path(folder))
