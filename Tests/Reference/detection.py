"""Writes Tests/Fixtures/detection.json, for Tests/TrainingTests/DetectionTests.swift, and Tests/Fixtures/detection_models.json, for
Tests/ModelsTests/DetectionModelTests.swift: losses and gradients in float64.

YOLO's loss is written here from the paper's equation 3, with numbers that stand for the roots of the sides; the losses of anchors are torchvision's.
"""
import functools
import json
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F
from torch import nn
from vision_libraries import torchvision
from zoo import uniform, values
from torchvision.models.detection import _utils
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelP6P7

random = numpy.random.default_rng(17)
FIXTURES = pathlib.Path(__file__).parent.parent / "Fixtures"


def numbers(array):
    return [float(f"{n:.9g}") for n in numpy.asarray(array, dtype=float).reshape(-1)]


def objects(count, maximum, classes, height, width, least=2):
    """[count, maximum, 5], the first image with as many as there may be, the last with none."""
    rows = numpy.zeros((count, maximum, 5))
    rows[..., 0] = -1
    for image in range(count):
        for row in range(maximum if image == 0 else 0 if image == count - 1 else random.integers(0, maximum + 1)):
            w, h = random.integers(least, width // 2 + 1), random.integers(least, height // 2 + 1)
            x, y = random.integers(0, width - w + 1), random.integers(0, height - h + 1)
            rows[image, row] = random.integers(classes), x, y, x + w, y + h
    return rows


# YOLO

def iou(a, b):
    low, high = torch.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2), torch.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    shared = (high - low).clamp(min=0).prod()
    return (shared / (a[2:].prod() + b[2:].prod() - shared)).detach()


def yolo(answer, rows, side, boxes, height, width):
    """The five parts of the loss of one image, not weighted."""
    cells = answer.reshape(side, side, -1)
    center = size = confidence = background = wrong = torch.zeros((), dtype=torch.float64)
    responsible, seen = set(), set()
    for label, x0, y0, x1, y1 in rows:
        if label < 0:
            continue
        truth = torch.tensor([(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height], dtype=torch.float64)
        column, row = min(int(truth[0] * side), side - 1), min(int(truth[1] * side), side - 1)
        if (row, column) in seen:
            continue
        seen.add((row, column))
        place = torch.tensor([column, row])
        found = [torch.cat([(cells[row, column, 5 * b:5 * b + 2] + place) / side, cells[row, column, 5 * b + 2:5 * b + 4] ** 2]) for b in range(boxes)]
        overlaps = [float(iou(box, truth)) for box in found]
        if max(overlaps) > 0:
            best = overlaps.index(max(overlaps))
        else:
            best = min(range(boxes), key=lambda b: float(((found[b] - truth).detach() ** 2).sum()))
        responsible.add((row, column, best))
        own = cells[row, column, 5 * best:5 * best + 5]
        center = center + ((own[:2] - (truth[:2] * side - place)) ** 2).sum()
        size = size + ((own[2:4] - truth[2:].sqrt()) ** 2).sum()
        confidence = confidence + (own[4] - overlaps[best]) ** 2
        classes = cells[row, column, 5 * boxes:]
        wrong = wrong + ((classes - F.one_hot(torch.tensor(int(label)), len(classes))) ** 2).sum()
    for row in range(side):
        for column in range(side):
            for box in range(boxes):
                if (row, column, box) not in responsible:
                    background = background + cells[row, column, 5 * box + 4] ** 2
    return torch.stack([center, size, confidence, background, wrong])


WEIGHTS = torch.tensor([5, 5, 1, 0.5, 1], dtype=torch.float64)


def grid_cases():
    for count, maximum, side, boxes, classes, height, width in [(2, 3, 2, 2, 3, 16, 16), (4, 6, 3, 2, 2, 24, 32), (3, 4, 4, 1, 5, 20, 12), (2, 8, 3, 3, 2, 30, 30)]:
        answers = random.normal(0.3, 0.5, (count, side * side * (5 * boxes + classes))).astype(numpy.float32)
        rows = objects(count, maximum, classes, height, width)
        x = torch.tensor(answers, dtype=torch.float64, requires_grad=True)
        parts = torch.stack([yolo(answer, image, side, boxes, height, width) for answer, image in zip(x, rows)])
        total = (parts * WEIGHTS).sum(-1).mean()
        gradient, = torch.autograd.grad(total, x)
        yield {
            "count": count, "maximum": maximum, "grid": side, "boxes": boxes, "classes": classes, "height": height, "width": width, "answers": numbers(answers),
            "objects": numbers(rows), "parts": numbers(parts.mean(0).detach()), "loss": total.item(), "gradient": numbers(gradient)}


# Anchors

def anchors(strides, scale, height, width):
    sizes = [tuple(int(scale * s * 2 ** (i / 3)) for i in range(3)) for s in strides]
    generator = AnchorGenerator(tuple(sizes), ((0.5, 1.0, 2.0),) * len(strides))
    maps = [torch.zeros(1, 1, math.ceil(height / s), math.ceil(width / s)) for s in strides]
    return generator(ImageList(torch.zeros(1, 1, height, width), [(height, width)]), maps)[0].double()


def anchor_losses(head, kind, boxes, logits, regressions, rows):
    """torchvision's losses of classes and of boxes."""
    targets, matches = [], []
    matcher = _utils.Matcher(0.5, 0.4, allow_low_quality_matches=True)
    for image in rows:
        image = torch.tensor(image[image[:, 0] >= 0])
        targets.append({"boxes": image[:, 1:], "labels": image[:, 0].long()})
        matches.append(
            matcher(torchvision.ops.box_iou(image[:, 1:], boxes)) if len(image) else torch.full((len(boxes),), -1, dtype=torch.int64))
    head.regression_head._loss_type = kind
    losses = head.compute_loss(targets, {"cls_logits": logits, "bbox_regression": regressions}, [boxes] * len(rows), matches)
    return losses["classification"], losses["bbox_regression"]


# Detectron's number; torchvision's losses take 1.
retinanet = torchvision.models.detection.retinanet
retinanet._box_loss = functools.partial(_utils._box_loss, cnf={"beta": 1 / 9})


def anchor_cases():
    for strides, scale, count, maximum, classes, height, width in [([16, 32], 1, 3, 3, 2, 32, 64), ([16, 32], 0.5, 2, 4, 3, 32, 32)]:
        boxes = anchors(strides, scale, height, width)
        answers = random.normal(0, 1, (count, len(boxes), classes + 4)).astype(numpy.float32)
        answers[..., classes:] *= 0.4
        rows = objects(count, maximum, classes, height, width, least=6)
        head = RetinaNetHead(1, 9, classes)
        x = torch.tensor(answers, dtype=torch.float64, requires_grad=True)
        case = {
            "strides": strides, "scale": scale, "count": count, "maximum": maximum, "classes": classes, "height": height, "width": width,
            "anchors": numbers(boxes), "answers": numbers(answers), "objects": numbers(rows), "losses": {}}
        for kind in ["l1", "smooth_l1", "ciou"]:
            focal, box = anchor_losses(head, kind, boxes, x[..., :classes], x[..., classes:], rows)
            gradient, = torch.autograd.grad(box + (focal if kind == "l1" else 0), x)
            case["losses"][kind] = {"focal": focal.item(), "box": box.item(), "gradient": numbers(gradient)}
        yield case


def overlap_cases():
    low, sides = random.uniform(0, 20, (2, 24, 2)), random.uniform(0.5, 20, (2, 24, 2))
    found, truth = numpy.concatenate([low, low + sides], -1).astype(numpy.float32)
    x = torch.tensor(found, dtype=torch.float64, requires_grad=True)
    losses = torchvision.ops.complete_box_iou_loss(x, torch.tensor(truth, dtype=torch.float64))
    gradient, = torch.autograd.grad(losses.sum(), x)
    return {"found": numbers(found), "truth": numbers(truth), "losses": numbers(losses.detach()), "gradient": numbers(gradient)}


def localization_cases():
    for count, maximum, classes, height, width, weight, smoothing in [(4, 3, 3, 16, 24, 1.0, 0.0), (3, 2, 5, 20, 20, 5.0, 0.1)]:
        answers = random.normal(0.3, 0.5, (count, classes + 4)).astype(numpy.float32)
        rows, labels = objects(count, maximum, classes, height, width), random.integers(0, classes, count)
        x = torch.tensor(answers, dtype=torch.float64, requires_grad=True)
        boxes, targets, present, overlaps = torch.zeros(count, 4, dtype=torch.float64), labels.copy(), torch.zeros(count, dtype=torch.float64), []
        for image in range(count):
            own = rows[image][rows[image][:, 0] >= 0]
            if len(own):
                largest = own[numpy.argmax((own[:, 3] - own[:, 1]) * (own[:, 4] - own[:, 2]))]
                targets[image], present[image] = largest[0], 1
                x0, y0, x1, y1 = largest[1:]
                boxes[image] = torch.tensor([(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height])
                cx, cy, w, h = answers[image, classes:].astype(float)
                pair = torch.tensor([[cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]], dtype=torch.float64)
                goal = torch.tensor([[x0 / width, y0 / height, x1 / width, y1 / height]], dtype=torch.float64)
                overlaps.append(torchvision.ops.box_iou(pair, goal).item() if w > 0 and h > 0 else 0.0)
        entropy = F.cross_entropy(x[:, :classes], torch.tensor(targets), label_smoothing=smoothing)
        box = (F.mse_loss(x[:, classes:], boxes, reduction="none").mean(-1) * present).mean()
        gradient, = torch.autograd.grad(entropy + weight * box, x)
        yield {
            "count": count, "maximum": maximum, "classes": classes, "height": height, "width": width, "weight": weight, "smoothing": smoothing,
            "answers": numbers(answers), "objects": numbers(rows), "labels": labels.tolist(), "entropy": entropy.item(), "box": box.item(),
            "gradient": numbers(gradient), "accuracy": float((answers[:, :classes].argmax(-1) == targets).mean()), "overlap": float(numpy.mean(overlaps))}


# Models

class Small(nn.Module):
    """The convolutions of the small YOLO."""

    def __init__(self, width, norm):
        super().__init__()
        inputs = 1
        for place, (kernel, outputs) in enumerate([(3, width), (3, 2 * width), (3, 4 * width), (3, 8 * width), (1, 4 * width)], 1):
            setattr(self, f"conv{place}", nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))
            setattr(self, f"norm{place}", nn.BatchNorm2d(outputs) if norm else nn.Identity())
            inputs = outputs

    def stages(self, x, count):
        maps = []
        for place in range(1, count + 1):
            x = F.leaky_relu(getattr(self, f"norm{place}")(getattr(self, f"conv{place}")(x)), 0.1)
            if place <= 3:
                x = F.max_pool2d(x, 2)
            maps.append(x)
        return maps


class SmallYOLO(Small):
    def __init__(self, width, norm, features, hidden, outputs):
        super().__init__(width, norm)
        self.fc1, self.fc2 = nn.Linear(features, hidden), nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.fc2(F.leaky_relu(self.fc1(self.stages(x, 5)[-1].flatten(1)), 0.1))


class SmallRetinaNet(nn.Module):
    def __init__(self, width, channels, classes):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.body = Small(width, False)
        for place in (4, 5):
            delattr(self.backbone.body, f"conv{place}")
        self.backbone.fpn = FeaturePyramidNetwork([width, 2 * width, 4 * width], channels, LastLevelP6P7(channels, channels))
        self.head = RetinaNetHead(channels, 9, classes)

    def forward(self, x):
        maps = self.backbone.fpn(dict(zip("012", self.backbone.body.stages(x, 3))))
        return self.head(list(maps.values()))


def filled(network):
    names = {name: parameter for name, parameter in network.named_parameters()}
    network.load_state_dict({name: values(name, tuple(parameter.shape)) for name, parameter in names.items()}, strict=False)
    return network.double().train()


def training():
    """Ten losses of a small YOLO by SGD."""
    side, boxes, classes, height, width, batch, maximum, rate, momentum = 2, 2, 3, 16, 24, 4, 3, 0.0002, 0.9
    network = filled(SmallYOLO(4, True, 16 * 2 * 3, 32, side * side * (5 * boxes + classes)))
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=momentum)
    losses, rows = [], []
    for step in range(10):
        images = values(f"images {step}", (batch, height, width, 1)).permute(0, 3, 1, 2).double()
        rows.append(objects(batch, maximum, classes, height, width))
        answers = network(images)
        loss = torch.stack([(yolo(answer, image, side, boxes, height, width) * WEIGHTS).sum() for answer, image in zip(answers, rows[-1])]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print("losses:", losses)
    return {
        "definition": json.dumps({"yolo": {"size": "small", "width": 4, "norm": "batch", "hidden": 32}}), "grid": side, "boxes": boxes, "classes": classes,
        "height": height, "width": width, "batch": batch, "maximum": maximum, "rate": rate, "momentum": momentum, "objects": numbers(numpy.stack(rows)), "losses": losses}


def pyramid():
    """A small RetinaNet's gradients of torchvision's losses."""
    classes, height, width, batch, maximum = 2, 22, 36, 2, 3
    network = filled(SmallRetinaNet(2, 4, classes))
    strides, rows = [2, 4, 8, 16, 32], objects(batch, maximum, classes, height, width)
    images = values("images", (batch, height, width, 1)).permute(0, 3, 1, 2).double()
    found = network(images)
    # The anchors of maps whose sides are no multiples of the strides are ours.
    total = torch.cat([found["cls_logits"], found["bbox_regression"]], -1)
    weights = torch.from_numpy(uniform("weights", total[0].numel())).reshape(total[0].shape)
    loss = ((total * weights).sum((1, 2))).mean()
    loss.backward()
    return {
        "definition": json.dumps({"retinanet": {
            "backbone": {"yolo": {"size": "small", "width": 2, "cut_after": "stage3"}}, "width": 4}}),
        "strides": strides, "classes": classes, "height": height, "width": width, "batch": batch, "count": total.shape[1], "loss": loss.item(),
        "gradients": [{"name": name, "norm": float(parameter.grad.norm()), "projection": float(parameter.grad.numpy().ravel() @ uniform(f"direction of {name}", parameter.numel()))}
                      for name, parameter in network.named_parameters()]}


def names():
    """The tensors of torchvision's network, running counts aside."""
    network = torchvision.models.detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=91)
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}


(FIXTURES / "detection.json").write_text(json.dumps({
    "grids": list(grid_cases()), "anchors": list(anchor_cases()), "overlap": overlap_cases(), "localizations": list(localization_cases())}) + "\n")
(FIXTURES / "detection_models.json").write_text(json.dumps({"training": training(), "pyramid": pyramid(), "names": names()}) + "\n")
