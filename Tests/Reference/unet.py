"""Writes Tests/Fixtures/unet.json: what is left of the gradients of a training-mode loss of U-Net, written here from the paper's figure, in float64, for
Tests/ModelsTests/UNetTests.swift.

    python unet.py

pixel_gradients.py says what of the gradients is left.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

from pixel_gradients import CLASSES, case


class Pair(nn.Module):
    def __init__(self, inputs, outputs, valid, norm):
        super().__init__()
        for place, channels in ((1, inputs), (2, outputs)):
            setattr(self, f"conv{place}", nn.Conv2d(channels, outputs, 3, padding=0 if valid else 1))
            if norm:
                setattr(self, f"norm{place}", nn.BatchNorm2d(outputs))

    def forward(self, x):
        for place in "12":
            x = getattr(self, f"conv{place}")(x)
            x = F.relu(getattr(self, f"norm{place}", nn.Identity())(x))
        return x


class Level(Pair):
    def __init__(self, channels, skips, bilinear, valid, norm):
        super().__init__(2 * channels if skips else channels, channels, valid, norm)
        self.skips, self.bilinear = skips, bilinear
        self.up = nn.Conv2d(2 * channels, channels, 2) if bilinear else nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)

    def forward(self, x, skip):
        odd = [s % 2 if s > 2 * n else 0 for s, n in zip(skip.shape[2:], x.shape[2:])] if self.keeps(skip, x) else [0, 0]
        if self.bilinear:
            size = [2 * n + o for n, o in zip(x.shape[2:], odd)]
            x = self.up(F.pad(F.interpolate(x, size=size, mode="bilinear", align_corners=False), (0, 1, 0, 1)))
        else:
            x = F.conv_transpose2d(x, self.up.weight, self.up.bias, stride=2, output_padding=odd)
        if self.skips:
            top, left = ((a - b) // 2 for a, b in zip(skip.shape[2:], x.shape[2:]))
            x = torch.cat([skip[:, :, top:top + x.shape[2], left:left + x.shape[3]], x], 1)
        return super().forward(x)

    @staticmethod
    def keeps(skip, x):
        """Whether the maps of a level have one size, but for a row or a column that was lost."""
        return all(0 <= s - 2 * n <= 1 for s, n in zip(skip.shape[2:], x.shape[2:]))


class UNet(nn.Module):
    def __init__(self, width, depth, valid, bilinear, norm, skips):
        super().__init__()
        widths = [width << level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(Pair(1 if level == 0 else widths[level - 1], widths[level], valid, norm) for level in range(depth))
        self.bottom = Pair(widths[-2], widths[-1], valid, norm)
        self.decoder = nn.ModuleList(Level(widths[level], skips, bilinear, valid, norm) for level in range(depth))
        self.head = nn.Conv2d(width, CLASSES, 1)
        self.depth, self.valid = depth, valid

    def border(self, side):
        """How far a side is mirrored, before and after, and how many answers come before the image's: the smallest that answers for all of it."""
        bottom = 5
        while True:
            answers, length = bottom - 4, bottom
            for _ in range(self.depth):
                answers, length = 2 * answers - 4, 2 * length + 4
            if answers >= side:
                before = (length - side) // 2
                return before, length - side - before, before - (length - answers) // 2
            bottom += 1

    def forward(self, x):
        height, width = x.shape[2:]
        if self.valid:
            (top, below, first_row), (left, right, first_column) = self.border(height), self.border(width)
            x = F.pad(x, (left, right, top, below), mode="reflect")
        maps = []
        for level in self.encoder:
            maps.append(level(x))
            x = F.max_pool2d(maps[-1], 2)
        x = self.bottom(x)
        for level, skip in zip(reversed(self.decoder), reversed(maps)):
            x = level(x, skip)
        if self.valid:
            x = x[:, :, first_row:first_row + height, first_column:first_column + width]
        return self.head(x)


# The definition's options, the network's, how many images, and their height and width.
CASES = [
    ({"width": 4, "depth": 3}, (4, 3, False, False, False, True), 2, 21, 30),
    ({"width": 4, "depth": 2, "up": "bilinear", "norm": "batch"}, (4, 2, False, True, True, True), 4, 14, 19),
    ({"width": 4, "depth": 2, "padding": "valid"}, (4, 2, True, False, False, True), 2, 31, 28),
    ({"width": 4, "depth": 1, "padding": "valid", "up": "bilinear", "skips": False}, (4, 1, True, True, False, False), 2, 17, 16),
]


if __name__ == "__main__":
    assert sum(parameter.numel() for parameter in UNet(64, 4, False, False, False, True).parameters()) == 31_030_593 + 64 * (CLASSES - 1) + (CLASSES - 1)
    path = pathlib.Path(__file__).parent.parent / "Fixtures/unet.json"
    path.write_text(json.dumps([case({"unet": definition}, lambda: UNet(*options), *size) for definition, options, *size in CASES], indent=0) + "\n")
