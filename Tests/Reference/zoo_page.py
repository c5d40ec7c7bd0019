#!/usr/bin/env python3
"""Writes Results/zoo.md: every model of `harness models` with its size, how far its logits are from those of torchvision's or timm's network of the same
weights, and the time of a training step; and what small forms of the families learn in two epochs (Experiments/zoo.yaml).

    python Tests/Reference/zoo_page.py [--keep FILE.json] [--only NAME,…]

Run it with a Python that has torch 2.13.0, torchvision 0.28.0, timm 1.0.31 and safetensors. First come all differences, which need no quiet machine, then all
times. With --keep every measurement is in that file as soon as it is made, and the same command goes on where it was cut off.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy
import torch

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))
from performance_page import commit, processor  # noqa: E402
from vision_libraries import safetensors, timm, torchvision  # noqa: E402

STEPS = 3
STEPS_OF_LARGE = 1
LARGE = 2_000_000_000
TRAINED = ["zoo", "zoo_alexnet"]
BATCH = 8
TORCHVISION = {
    "alexnet": "alexnet", "squeezenet1.0": "squeezenet1_0", "squeezenet1.1": "squeezenet1_1", "mobilenet-v2": "mobilenet_v2",
    "googlenet": "googlenet", "inception-v3": "inception_v3", "efficientnet-b0": "efficientnet_b0", "resnext50-32x4d": "resnext50_32x4d",
    "resnext101-32x8d": "resnext101_32x8d", "wide-resnet50-2": "wide_resnet50_2",
} | {f"vgg{depth}{end}": f"vgg{depth}{end.replace('-', '_')}" for depth in (11, 13, 16, 19) for end in ("", "-bn")} | {
    f"densenet{depth}": f"densenet{depth}" for depth in (121, 161, 169, 201)
} | {f"resnet{depth}": f"resnet{depth}" for depth in (18, 34, 50, 101, 152)}
TIMM = {
    "resnet26": "resnet26", "se-resnet50": "seresnet50", "inception-resnet-v2": "inception_resnet_v2", "xception": "legacy_xception",
    "convnext-tiny": "convnext_tiny", "convnext-small": "convnext_small", "convnext-base": "convnext_base", "mobilenet-v1": "mobilenetv1_100",
    "resnet-v2-50": "resnetv2_50", "resnet-v2-101": "resnetv2_101", "resnet-v2-152": "resnetv2_152", "vit-tiny-16": "vit_tiny_patch16_224",
    "vit-s-16": "vit_small_patch16_224", "vit-b-16": "vit_base_patch16_224", "vit-l-16": "vit_large_patch16_224",
    "vit-b-8": "vit_base_patch8_224", "vit-b-32": "vit_base_patch32_224", "vit-l-32": "vit_large_patch32_224", "vit-h-14": "vit_huge_patch14_224",
    "deit-tiny-distilled": "deit_tiny_distilled_patch16_224",
    "deit-small-distilled": "deit_small_distilled_patch16_224", "deit-base-distilled": "deit_base_distilled_patch16_224",
    "swin-tiny": "swin_tiny_patch4_window7_224", "swin-small": "swin_small_patch4_window7_224", "swin-base": "swin_base_patch4_window7_224",
    "coatnet-0": "coatnet_0_224", "levit-128s": "levit_128s", "r26-s-32": "vit_small_r26_s32_224", "r50-b-16": "vit_base_r50_s16_224",
    "r50-l-32": "vit_large_r50_s32_224", "r-ti-16": "vit_tiny_r_s16_p8_224",
}
WITHOUT_AUXILIARY_HEADS = {"googlenet", "inception_v3"}


def log(text):
    print(text, file=sys.stderr, flush=True)


def harness(*words):
    result = subprocess.run(["./harness", *map(str, words)], cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"./harness {' '.join(map(str, words))} ended with exit code {result.returncode}: {result.stderr}")
    return result.stdout


def reference(name):
    """The library and its network with random weights and batch statistics that are not the initial ones; nil where none has it."""
    torch.manual_seed(0)
    if name in TORCHVISION:
        made = TORCHVISION[name]
        options = {"aux_logits": False, "init_weights": False} if made in WITHOUT_AUXILIARY_HEADS else {}
        library, network = "torchvision", getattr(torchvision.models, made)(**options)
    elif name in TIMM:
        library, network = "timm", timm.create_model(TIMM[name], num_classes=1000)
    else:
        return None
    for key, tensor in network.state_dict().items():
        if key.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return library, network.eval()


def parity(row):
    """The largest difference of the logits over their range, for two images."""
    found = reference(row["name"])
    if found is None:
        return None
    library, network = found
    size = row["input"]
    images = torch.randn(2, size["channels"], size["height"], size["width"])
    with torch.no_grad():
        expected = network(images).numpy()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        safetensors.torch.save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, folder / "weights.safetensors")
        with h5py.File(folder / "images.h5", "w") as file:
            file["images"] = images.numpy()
        harness(
            "predict", "--model", row["name"], "--classes", row["classes"], "--weights", folder / "weights.safetensors", "--input", folder / "images.h5",
            "--output", folder / "logits.h5")
        with h5py.File(folder / "logits.h5") as file:
            logits = file["logits"][:]
    return {"library": library, "difference": float(numpy.abs(logits - expected).max() / (expected.max() - expected.min()))}


def step_time(row):
    steps = STEPS_OF_LARGE if row["multiply_adds"] > LARGE else STEPS
    return json.loads(harness("bench", row["name"], "--steps", steps, "--json"))[0]["ms_per_step"]


def learned():
    for experiment in TRAINED:
        harness("run", f"experiments/{experiment}")
    return "\n\n".join(harness("compare", experiment, "--format", "markdown").strip() for experiment in TRAINED)


MARKS = ["", "\\*", "†", "‡"]


def places(rows, measured):
    """At which commits and on which machines the rows were measured, those of most rows first."""
    found = [measured[row["name"]]["at"] for row in rows]
    return sorted(set(found), key=lambda at: -found.count(at))


def page(rows, measured, training):
    ats = places(rows, measured)
    marked = [f"{f'(with {mark}) ' if mark else ''}{at}" for mark, at in zip(MARKS, ats)]
    lines = [
        "# The zoo", "", f"Every model of `harness models`, measured by `python Tests/Reference/zoo_page.py` {', '.join(marked)}.", "",
        "*Difference*: the largest of the logits of two random images over their range, to the network of the library with the same random weights and batch "
        f"statistics, in fp32. *Step*: the time of a training step of {BATCH} images with 10 classes (forward, backward, AdamW) on 2 threads, the median of "
        f"{STEPS} after 3 that are not counted, or one above {LARGE / 1e9:.0f} G multiply-adds; "
        "the workloads of `harness bench` have their own batches. Times of one machine say nothing beside those of another.", "",
        "| model | paper | images | parameters | multiply-adds | without attention's | activations | library | difference | step, ms |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for row in rows:
        found, size = measured[row["name"]], row["input"]
        compared = found["parity"] or {"library": "–", "difference": None}
        difference = "–" if compared["difference"] is None else f"{compared['difference']:.1e}"
        lines.append(
            f"| {row['name']} | {row.get('citation') or '–'} | {size['height']}×{size['width']}×{size['channels']} | {row['parameters']:,} "
            f"| {row['multiply_adds']:,} | {row['multiply_adds_without_attention']:,} | {row['activations']:,} | {compared['library']} | {difference} "
            f"| {found['step']:.{0 if found['step'] >= 10 else 2}f}{MARKS[ats.index(found['at'])]} |")
    lines += [
        "", "## What small forms learn in two epochs", "",
        "On 3,600 images of Fashion-MNIST, with `Experiments/zoo.yaml` and, for AlexNet at 64 pixels, `Experiments/zoo_alexnet.yaml`; 0.1 is chance.", "",
        training, ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", metavar="FILE", help="keep measurements in this JSON file, and go on from those in it")
    parser.add_argument("--only", metavar="NAME,…", help="measure these models alone, and write no page")
    options = parser.parse_args()
    harness("--version")
    kept = Path(options.keep) if options.keep else None
    measured = json.loads(kept.read_text()) if kept and kept.exists() else {}
    rows = json.loads(harness("models", "--json"))
    for what, measure in [("parity", parity), ("step", step_time)]:
        for row in rows:
            name = row["name"]
            if what in measured.get(name, {}) or options.only and name not in options.only.split(","):
                continue
            measured.setdefault(name, {})[what] = measure(row)
            measured[name]["at"] = f"at {commit(ROOT)} on {processor()}"
            log(f"{name}: {what} {measured[name][what]}")
            if kept:
                kept.write_text(json.dumps(measured, indent=1))
    if not options.only:
        (ROOT / "Results/zoo.md").write_text(page(rows, measured, learned()))


if __name__ == "__main__":
    main()
