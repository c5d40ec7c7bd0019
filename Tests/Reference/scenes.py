"""Prints the SHA-256 of some scenes of Fashion-MNIST, made here anew from the description in Sources/VisionData/Scenes: what
Tests/VisionDataTests/SceneTests.swift pins.

    python scenes.py [FOLDER]   # with Fashion-MNIST's IDX files; default that of Debian's package
"""
import gzip
import hashlib
import pathlib
import sys

import numpy

from philox import Draws

CANVAS, GARMENTS, SIDES, OVERLAP, NOISE, COUNTS = 64, (2, 5), (18, 36), 300, 16, (12, 6)


def idx(folder, name, header):
    plain, packed = folder / name, folder / f"{name}.gz"
    data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    return numpy.frombuffer(data, numpy.uint8, offset=header)


def resampled(image, side):
    """Bilinear in 1/256 pixel."""
    length = image.shape[0]
    place = numpy.clip((2 * numpy.arange(side) + 1) * length * 128 // side - 128, 0, (length - 1) * 256)
    first, part = place >> 8, place & 255
    second = numpy.minimum(first + 1, length - 1)
    rows = image[first].astype(numpy.int64) * (256 - part)[:, None] + image[second].astype(numpy.int64) * part[:, None]
    return rows[:, first] * (256 - part) + rows[:, second] * part + 32768 >> 16


def scene(images, labels, number, time):
    draws, placed = Draws("scenes", time, number), []
    for _ in range(draws.between(*GARMENTS)):
        image, side = draws.between(0, len(labels) - 1), draws.between(*SIDES)
        for _ in range(20):
            x, y = draws.between(0, CANVAS - side), draws.between(0, CANVAS - side)
            shared = sum(
                max(0, min(x + side, u + s) - max(x, u)) * max(0, min(y + side, v + s) - max(y, v)) for _, u, v, s in placed)
            if shared * 1000 <= OVERLAP * side * side:
                placed.append((image, x, y, side))
                break
    pixels, mask, owners, sizes = numpy.zeros((CANVAS, CANVAS), int), numpy.zeros((CANVAS, CANVAS), int), numpy.full((CANVAS, CANVAS), -1), []
    for index, (image, x, y, side) in enumerate(placed):
        values = resampled(images[image], side)
        inside, room = values >= 32, (slice(y, y + side), slice(x, x + side))
        pixels[room][inside], mask[room][inside], owners[room][inside] = values[inside], labels[image] + 1, index
        sizes.append(inside.sum())
    draws = Draws("scene noise", time, number)
    words = numpy.array([draws.word() for _ in range(CANVAS * CANVAS // 2)], numpy.int64)
    halves = numpy.stack([words & 65535, words >> 16], 1).reshape(CANVAS, CANVAS)
    change = ((halves & 255) + (halves >> 8) - 255) * NOISE
    pixels = numpy.clip(pixels + numpy.sign(change) * (abs(change) // 255), 0, 255)
    seen = [(owners == index).sum() for index in range(len(placed))]
    boxes = []
    for index, (image, *_) in enumerate(placed):
        if seen[index] > 0 and 4 * seen[index] >= sizes[index]:
            rows, columns = numpy.nonzero(owners == index)
            boxes.append((labels[image] + 1, columns.min(), rows.min(), numpy.ptp(columns) + 1, numpy.ptp(rows) + 1))
    return pixels, mask, labels[placed[int(numpy.argmax(seen))][0]] + 1, boxes


folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist")
made = []
for time, (part, count) in enumerate(zip(("train", "t10k"), COUNTS)):
    images = idx(folder, f"{part}-images-idx3-ubyte", 16).reshape(-1, 28, 28)
    labels = idx(folder, f"{part}-labels-idx1-ubyte", 8).astype(int)
    made += [scene(images, labels, number, time) for number in range(count)]
digest = hashlib.sha256(numpy.array([CANVAS, CANVAS, 1, 11, COUNTS[0], 0, COUNTS[1], 255], "<i8").tobytes())
digest.update(numpy.array([pixels for pixels, *_ in made], numpy.uint8).tobytes())
digest.update(numpy.array([label for *_, label, _ in made], "<i4").tobytes())
digest.update(b"masks\n" + numpy.array([mask for _, mask, *_ in made], numpy.uint8).tobytes())
digest.update(b"boxes %d\n" % GARMENTS[1])
for *_, boxes in made:
    digest.update(numpy.array([len(boxes)] + [number for box in boxes for number in box], "<i8").tobytes())
print(digest.hexdigest())
