#!/usr/bin/env python3
"""Writes Tests/Fixtures/numpy/*.npz: data sets as MedMNIST and Keras lay them out, stored and deflated.

    Tests/Reference/numpy_files.py          # needs NumPy

A pixel is (image · 7 + row · 3 + column + channel · 50) mod 256, a label image mod 3.
"""

import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Fixtures/numpy"


def images(count, channels, dtype):
    n, y, x, c = np.meshgrid(np.arange(count), np.arange(5), np.arange(6), np.arange(max(channels, 1)), indexing="ij")
    values = (n * 7 + y * 3 + x + c * 50) % 256
    values = values if channels else values[..., 0]
    return (values * 257).astype(dtype) if dtype == np.uint16 else (values / 255).astype(dtype) if dtype in (np.float32, np.float64) else values.astype(dtype)


def labels(count, dtype=np.int64):
    return (np.arange(count) % 3).astype(dtype)


def main():
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(
        FOLDER / "medmnist.npz", train_images=images(9, 0, np.uint8), train_labels=labels(9, np.uint8)[:, None], val_images=images(3, 0, np.uint8),
        val_labels=labels(3, np.uint8)[:, None], test_images=images(4, 0, np.uint8), test_labels=labels(4, np.uint8)[:, None])
    for name, dtype in [("uint8", np.uint8), ("uint16", np.uint16), ("float32", np.float32), ("float64", np.float64)]:
        np.savez(FOLDER / f"keras_{name}.npz", x_train=images(9, 3, dtype), y_train=labels(9), x_test=images(4, 3, dtype), y_test=labels(4, np.int32))


if __name__ == "__main__":
    main()
