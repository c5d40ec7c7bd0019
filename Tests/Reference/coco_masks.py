"""Masks of polygons and of runs, as pycocotools draws them.

Writes Tests/Fixtures/coco_masks.json: regions in COCO's forms, each with the pixels inside, row by row, as a string of 0 and 1.
"""

import json

import numpy as np
from pycocotools import mask as coco

import fixtures

random = np.random.default_rng(17)


def text(pixels):
    return "".join(str(int(value)) for value in pixels.reshape(-1))


cases = []
for index in range(24):
    height, width = (int(n) for n in random.integers(5, 26, 2))
    count, corners = int(random.integers(1, 3)), int(random.integers(3, 8))
    polygons = []
    for _ in range(count):
        # Some corners lie outside the image, some on whole numbers.
        points = random.uniform(-2, 1.15, (corners, 2)).clip(-0.1) * [width, height]
        polygons.append([float(n) for n in (np.round(points) if index % 3 == 0 else np.round(points, 2)).clip(0).reshape(-1)])
    whole = coco.merge(coco.frPyObjects(polygons, height, width))
    pixels = coco.decode(whole)
    runs, value = [0], 0
    for pixel in pixels.T.reshape(-1):
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    inside = text(pixels)
    cases.append({"height": height, "width": width, "inside": inside, "segmentations": [
        polygons, {"size": [height, width], "counts": runs}, {"size": [height, width], "counts": whole["counts"].decode()}]})

(fixtures.FIXTURES / "coco_masks.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
