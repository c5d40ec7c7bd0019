#!/usr/bin/env python3
"""Writes Tests/Fixtures/matlab: SVHN's two files with six images, compressed and plain, by SciPy 1.17.

    python Tests/Reference/matlab_files.py
"""

from pathlib import Path

import numpy
from scipy.io import savemat

FOLDER = Path(__file__).resolve().parent.parent / "Fixtures/matlab"


def images(count, part):
    row, column, channel, image = numpy.meshgrid(numpy.arange(32), numpy.arange(32), numpy.arange(3), numpy.arange(count), indexing="ij")
    return ((part + image * 31 + row * 7 + column * 3 + channel * 50) % 256).astype(numpy.uint8)


for form in ["compressed", "plain"]:
    folder = FOLDER / form
    folder.mkdir(parents=True, exist_ok=True)
    for name, labels, part in [("train", [1, 10, 9, 5], 0), ("test", [10, 7], 100)]:
        labels = numpy.array(labels, dtype=numpy.uint8 if form == "compressed" else numpy.float64)[:, None]
        savemat(folder / f"{name}_32x32.mat", {"X": images(len(labels), part), "y": labels}, do_compression=form == "compressed")
