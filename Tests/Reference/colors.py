"""Writes Tests/Fixtures/colors.json: changes of brightness, contrast, saturation and hue, grayscale and Gaussian blur by torchvision, for
Tests/VisionDataTests/ColorTests.swift."""
import json
import pathlib

import numpy

from vision_libraries import torch, torchvision

functional = torchvision.transforms.functional
random = numpy.random.default_rng(7)


def numbers(array):
    return [round(float(value), 7) for value in numpy.asarray(array, dtype=float).reshape(-1)]


def image(height, width, channels):
    """Bytes as parts of 1, with some pure colours, grays, black and white."""
    values = random.integers(0, 256, (height, width, channels))
    for place, color in enumerate([(0, 0, 0), (255, 255, 255), (90, 90, 90), (255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 200, 200)]):
        values[place // width, place % width] = color[:channels]
    return values / 255


kinds = {
    "brightness": functional.adjust_brightness, "contrast": functional.adjust_contrast, "saturation": functional.adjust_saturation, "hue": functional.adjust_hue,
}
cases = []
for channels, changes in [
    (3, [("brightness", 1.4)]), (3, [("contrast", 0.3)]), (3, [("contrast", 1.7)]), (3, [("saturation", 0.0)]), (3, [("saturation", 1.9)]),
    (3, [("hue", 0.2)]), (3, [("hue", -0.43)]), (3, [("hue", 0.5)]), (1, [("brightness", 0.6), ("contrast", 1.5)]),
    (3, [("saturation", 1.3), ("hue", -0.1), ("brightness", 1.2), ("contrast", 0.8)]), (3, [("contrast", 1.8), ("brightness", 0.7), ("hue", 0.08), ("saturation", 0.6)]),
]:
    values = image(4, 5, channels)
    result = torch.tensor(values).permute(2, 0, 1)
    for kind, factor in changes:
        result = kinds[kind](result, factor)
    cases.append({
        "channels": channels, "changes": [{"kind": kind, "factor": factor} for kind, factor in changes], "image": numbers(values),
        "result": numbers(result.permute(1, 2, 0)),
    })

gray = image(3, 4, 3)
blurs = []
for height, width, channels, sigma in [(7, 9, 3, 0.7), (12, 6, 1, 1.5), (16, 16, 3, 2.0)]:
    values, size = image(height, width, channels), 2 * int(numpy.ceil(3 * numpy.float32(sigma))) + 1
    # The kernel reaches no further than the image.
    kernel = [min(size, 2 * width - 1), min(size, 2 * height - 1)]
    result = functional.gaussian_blur(torch.tensor(values).permute(2, 0, 1), kernel, [sigma, sigma]).permute(1, 2, 0)
    blurs.append({"height": height, "width": width, "channels": channels, "sigma": sigma, "image": numbers(values), "result": numbers(result)})

path = pathlib.Path(__file__).resolve().parent.parent / "Fixtures/colors.json"
path.write_text(json.dumps({
    "changes": cases, "gray": {"image": numbers(gray), "result": numbers(functional.rgb_to_grayscale(torch.tensor(gray).permute(2, 0, 1), 3).permute(1, 2, 0))}, "blurs": blurs,
}, separators=(",", ":")) + "\n")
