"""Writes Tests/Fixtures/style.json: the losses of style transfer and their gradients by the image, of a small VGG, by PyTorch in float64, for
Tests/ModelsTests/StyleLossTests.swift.

    python style.py
"""

import json
import pathlib

import torch
import torch.nn.functional as F

from pixel_gradients import fill, pixels


def features(image, weights):
    """Two blocks of two convolutions, each with ReLU, and a pool behind them."""
    found, x = {}, image
    for place in (0, 2, 5, 7):
        x = F.relu(F.conv2d(x, weights[f"features.{place}.weight"], weights[f"features.{place}.bias"], padding=1))
        found[f"features.{place + 1}"] = x
        if place in (2, 7):
            x = F.max_pool2d(x, 2)
    return found


def gram(f):
    rows = f.flatten(2)
    return rows @ rows.transpose(1, 2) / (rows.shape[1] * rows.shape[2])


if __name__ == "__main__":
    shapes = {0: (4, 3), 2: (4, 4), 5: (8, 4), 7: (8, 8)}
    weights = {f"features.{p}.weight": fill(f"features.{p}.weight", (o, i, 3, 3)).double() for p, (o, i) in shapes.items()}
    weights |= {f"features.{p}.bias": fill(f"features.{p}.bias", (o,)).double() for p, (o, _) in shapes.items()}
    content, style = pixels("content", 2, 12, 14, 3, torch.float64), pixels("style", 1, 10, 16, 3, torch.float64)
    image = pixels("images", 2, 12, 14, 3, torch.float64).requires_grad_()
    found, aims, styles = features(image, weights), features(content, weights), features(style, weights)
    parts = {
        "content": ((found["features.6"] - aims["features.6"]) ** 2).mean((1, 2, 3)),
        "style": sum(((gram(found[name]) - gram(styles[name])) ** 2).mean((1, 2)) for name in ("features.1", "features.6", "features.8")) / 3,
        "variation": sum(((a - b) ** 2).mean((1, 2, 3)) for a, b in ((image[:, :, 1:], image[:, :, :-1]), (image[..., 1:], image[..., :-1]))),
    }
    gradients = {name: torch.autograd.grad(loss.sum(), image, retain_graph=True)[0].permute(0, 2, 3, 1).flatten().tolist() for name, loss in parts.items()}
    fixture = {
        "losses": {name: loss.tolist() for name, loss in parts.items()},
        "gradients": {name: [float(f"{v:.7g}") for v in values[::7]] for name, values in gradients.items()},
    }
    (pathlib.Path(__file__).parent.parent / "Fixtures/style.json").write_text(json.dumps(fixture, indent=0) + "\n")
    print(fixture["losses"])
