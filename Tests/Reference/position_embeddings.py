"""Writes Fixtures/position_embeddings.h5: position embeddings resized by timm's resample_abs_pos_embed, those of lines and volumes by torch's interpolate.

    python position_embeddings.py            # in an environment with torch 2.13.0 and timm 1.0.31
"""

import math

from fixtures import FixtureFile
from vision_libraries import timm, torch
from timm.layers import resample_abs_pos_embed

WIDTH = 4

with FixtureFile("position_embeddings.h5") as file:
    generator = torch.Generator().manual_seed(13)
    for old, new, prefix in [((14, 14), (7, 10), 1), ((14, 14), (24, 24), 1), ((14, 14), (14, 14), 0), ((7, 7), (3, 16), 0), ((1, 1), (2, 3), 1)]:
        path = f"/{old[0]}x{old[1]}_{new[0]}x{new[1]}"
        values = torch.randn(1, prefix + old[0] * old[1], WIDTH, generator=generator)
        file.group(path, old=list(old), new=list(new), prefix=prefix)
        file.array(f"{path}/values", values)
        file.array(f"{path}/resampled", resample_abs_pos_embed(values, list(new), list(old), num_prefix_tokens=prefix))
    for old, new, prefix, mode in [
        ((2, 3, 4), (3, 2, 7), 1, "trilinear"), ((6, 4, 4), (2, 2, 2), 0, "trilinear"), ((1, 2, 3), (2, 4, 6), 2, "trilinear"), ((9,), (21,), 1, "linear"),
        ((16,), (5,), 0, "linear"),
    ]:
        path = f"/{'x'.join(map(str, old))}_{'x'.join(map(str, new))}"
        values = torch.randn(1, prefix + math.prod(old), WIDTH, generator=generator)
        cells = values[:, prefix:].transpose(1, 2).unflatten(2, old)
        resized = torch.nn.functional.interpolate(cells, new, mode=mode, align_corners=False).flatten(2).transpose(1, 2)
        file.group(path, old=list(old), new=list(new), prefix=prefix)
        file.array(f"{path}/values", values)
        file.array(f"{path}/resampled", torch.cat([values[:, :prefix], resized], 1))
