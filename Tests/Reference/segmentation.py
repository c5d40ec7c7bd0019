"""Writes Tests/Fixtures/segmentation.json: PyTorch's losses of pixels with their gradients, and scikit-learn's and torchmetrics' IoU, for
Tests/TrainingTests/SegmentationTests.swift."""
import json
import pathlib

import numpy
import torch
from sklearn.metrics import jaccard_score
from torchmetrics.classification import MulticlassJaccardIndex

IGNORED = 255
random = numpy.random.default_rng(17)


def numbers(array):
    return numpy.asarray(array).reshape(-1).tolist()


def dice(x, mask):
    """1 minus the mean over the classes of the Dice coefficient with 1 added above and below, for each image; x [n, h, w, c]."""
    seen = (mask != IGNORED)[..., None]
    p = torch.softmax(x, dim=-1) * seen
    t = torch.nn.functional.one_hot(torch.where(mask == IGNORED, 0, mask), x.shape[-1]) * seen
    both, all_ = (p * t).sum((1, 2)), p.sum((1, 2)) + t.sum((1, 2))
    return 1 - ((2 * both + 1) / (all_ + 1)).mean(-1)


def torchmetrics_iou(predictions, mask, classes, average):
    """Over two batches of the same set, as an evaluation has them."""
    metric = MulticlassJaccardIndex(classes, average=average, ignore_index=IGNORED)
    for part in (slice(None, 1), slice(1, None)):
        metric.update(torch.tensor(predictions[part]), torch.tensor(mask[part]))
    return metric.compute()


cases = []
for count, height, width, classes, weighted, smoothing in [(2, 3, 4, 2, False, 0.0), (4, 5, 3, 4, True, 0.0), (4, 4, 4, 7, True, 0.2), (2, 6, 5, 3, False, 0.1), (2, 2, 3, 9, False, 0.0)]:
    logits = random.normal(0, 2, (count, height, width, classes)).astype(numpy.float32)
    mask = random.integers(0, classes, (count, height, width))
    mask[random.uniform(size=mask.shape) < 0.2] = IGNORED
    weights = random.uniform(0.1, 5, classes).astype(numpy.float32) if weighted else None
    x = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor(mask)
    entropy = torch.nn.functional.cross_entropy(
        x.permute(0, 3, 1, 2), labels, ignore_index=IGNORED, label_smoothing=smoothing,
        weight=None if weights is None else torch.tensor(weights, dtype=torch.float64))
    entropy_gradient, = torch.autograd.grad(entropy, x)
    dices = dice(x, labels)
    dice_gradient, = torch.autograd.grad(dices.mean(), x)
    predictions, seen = logits.argmax(-1), mask != IGNORED
    present = sorted(set(mask[seen]) | set(predictions[seen]))
    iou = {int(label): value for label, value in zip(present, jaccard_score(mask[seen], predictions[seen], labels=present, average=None))}
    cases.append({
        "shape": [count, height, width, classes], "logits": numbers(logits.astype(float)), "mask": numbers(mask),
        "weights": None if weights is None else numbers(weights.astype(float)), "smoothing": smoothing,
        "cross_entropy": entropy.item(), "cross_entropy_gradient": numbers(entropy_gradient), "dice": dices.mean().item(), "dice_gradient": numbers(dice_gradient),
        "pixel_accuracy": float((mask == predictions)[seen].mean()), "iou": [iou.get(label, -1.0) for label in range(classes)],
        "mean_iou": float(numpy.mean(list(iou.values()))), "torchmetrics_iou": torchmetrics_iou(predictions, mask, classes, "none").tolist(),
        "torchmetrics_mean_iou": torchmetrics_iou(predictions, mask, classes, "macro").item(),
    })
path = pathlib.Path(__file__).parent.parent / "Fixtures/segmentation.json"
path.write_text(json.dumps(cases) + "\n")
