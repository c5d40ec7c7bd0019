#!/usr/bin/env python3
"""Measures how fast JPEG files become training images of 224×224 pixels, beside torchvision with Pillow, and how long a training of ResNet-18 waits for them.

    python Tests/Reference/compare_images.py [--pairs 5] [--write Results/performance.md]

Run it with a Python that has torch 2.13.0, torchvision 0.28.0 and Pillow. Both sides decode, take a random part (8 to 100 % of the pixels), resample it
bilinearly with antialiasing, flip it and normalize it, on one core each and in turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import torch
from PIL import Image

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))
from performance_page import processor, write_section  # noqa: E402
from vision_libraries import torchvision  # noqa: E402

CLASSES, EACH, WIDTH, HEIGHT, SIZE = 4, 150, 500, 375, 224
DEFINITION = """
data: {{folder: {{path: images, decode: {decode}}}, size: 224, resize: shorter, crop: random_resized, augment: [horizontal_flip], validation: 0}}
seeds: [0]
train: {{epochs: {epochs}, batch_size: {batch}, optimizer: {{adamw: {{learning_rate: 1e-3}}}}}}
models: {{{model}}}
"""


def make_images(folder):
    """Photographs of nothing: smooth colours with edges and grain, so that files are as large as those of a camera."""
    random = numpy.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"images/{label}").mkdir(parents=True)
        for number in range(EACH):
            coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=numpy.uint8)).resize((WIDTH, HEIGHT), Image.BICUBIC)
            fine = Image.fromarray(random.integers(0, 256, (75, 100, 3), dtype=numpy.uint8)).resize((WIDTH, HEIGHT), Image.BILINEAR)
            pixels = numpy.asarray(coarse, float) * 0.7 + numpy.asarray(fine, float) * 0.25 + random.normal(0, 4, (HEIGHT, WIDTH, 3))
            Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8)).save(folder / f"images/{label}/{number}.jpg", quality=90)


def harness(folder, *words, cores=None):
    command = (["taskset", "-c", cores] if cores else []) + [str(ROOT / "harness"), *words]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(command)} ended with exit code {result.returncode}: {result.stderr}")
    return result.stdout


def ours(folder, decode):
    """Images a second on one core."""
    (folder / "decode.yaml").write_text(DEFINITION.format(decode=decode, epochs=6, batch=8, model="line: logistic-regression"))
    return 8000 / json.loads(harness(folder, "bench", "--input", "decode.yaml", "--json", cores="0"))[0]["batch_ms"]


def theirs(folder):
    code = f"""
import sys, time
sys.dont_write_bytecode = True
sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})
import torch
torch.set_num_threads(1)
from vision_libraries import torchvision
from torchvision import transforms
images = torchvision.datasets.ImageFolder({str(folder / 'images')!r}, transforms.Compose([
    transforms.RandomResizedCrop({SIZE}), transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)]))
for index in range(20): images[index]
start = time.perf_counter()
for index in range(len(images)): images[index]
print(len(images) / (time.perf_counter() - start))
"""
    result = subprocess.run(["taskset", "-c", "0", sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(result.stdout.split()[-1])


def waiting(folder):
    """The part of the time that a training of ResNet-18 waits for images, on all cores."""
    (folder / "train.yaml").write_text(DEFINITION.format(decode="exact", epochs=1, batch=16, model="resnet18: {resnet: {depth: 18, stem: 7x7}}"))
    harness(folder, "run", "train.yaml", "--results", "Results")
    [record] = (folder / "Results").glob("train/*/machine.json")
    machine = json.loads(record.read_text())
    return machine["waiting_seconds_per_epoch"], machine["waiting_seconds_per_epoch"] / machine["seconds_per_epoch"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--write", metavar="FILE", help="replace the section of this page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_images(folder)
        size = statistics.mean(path.stat().st_size for path in folder.glob("images/*/*.jpg"))
        harness(folder, "check", "--help")
        rows = []
        for pair in range(options.pairs):
            rows.append((ours(folder, "exact"), ours(folder, "scaled"), theirs(folder)))
            print(f"pair {pair + 1}: exact {rows[-1][0]:.0f}, scaled {rows[-1][1]:.0f}, torchvision {rows[-1][2]:.0f} images/s", file=sys.stderr, flush=True)
        seconds, share = waiting(folder)
    exact, scaled, torch_rate = (statistics.median(column) for column in zip(*rows))
    ratios = [sorted(row[which] / row[2] for row in rows) for which in (0, 1)]
    text = "\n".join([
        "## Image files", "",
        f"JPEG files of {WIDTH}×{HEIGHT} pixels and {size / 1000:.0f} kB, decoded, cropped at random to {SIZE}×{SIZE}, flipped and normalized on one core of {processor()}; medians "
        f"of {options.pairs} alternating measurements. The ratio is our rate over torchvision {torchvision.__version__}'s with Pillow; in brackets the extremes.", "",
        "| | images a second | ratio |", "| --- | ---: | ---: |",
        f"| `decode: exact` | {exact:.0f} | {statistics.median(ratios[0]):.2f} ({ratios[0][0]:.2f}–{ratios[0][-1]:.2f}) |",
        f"| `decode: scaled` | {scaled:.0f} | {statistics.median(ratios[1]):.2f} ({ratios[1][0]:.2f}–{ratios[1][-1]:.2f}) |",
        f"| torchvision | {torch_rate:.0f} | 1 |", "",
        f"A training of ResNet-18 on these files, batches of 16 and all cores, waits {share * 100:.1f} % of its time for images ({seconds:.2f} s an epoch).", "",
        f"```\npython Tests/Reference/compare_images.py --pairs {options.pairs} --write Results/performance.md\n```"])
    if options.write:
        write_section(Path(options.write), "images", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
