"""Writes Tests/Fixtures/average_precision.json: pycocotools' mAP of boxes made by hand and by chance, and non-maximum suppression as the
table of all overlaps says it, for
Tests/TrainingTests/AveragePrecisionTests.swift."""
import contextlib
import io
import json
import pathlib

import numpy
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

random = numpy.random.default_rng(17)


def evaluate(images, classes):
    """images: pairs of detections [class, score, x0, y0, x1, y1] and objects [class, x0, y0, x1, y1]."""
    def sides(box):
        return [box[0], box[1], box[2] - box[0], box[3] - box[1]]

    truth, found = COCO(), []
    truth.dataset = {
        "info": {}, "images": [{"id": number} for number in range(len(images))], "categories": [{"id": number} for number in range(classes)], "annotations": []}
    for number, (detections, objects) in enumerate(images):
        for label, *box in objects:
            x, y, w, h = sides(box)
            truth.dataset["annotations"].append({
                "id": len(truth.dataset["annotations"]) + 1, "image_id": number, "category_id": label, "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0})
        found += [{"image_id": number, "category_id": label, "score": score, "bbox": sides(box)} for label, score, *box in detections]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found) if found else None, "bbox")
        if not found:
            evaluation.cocoDt = COCO()
            evaluation.cocoDt.dataset = {"annotations": []}
            evaluation.cocoDt.createIndex()
            evaluation.params.imgIds, evaluation.params.catIds = sorted(truth.getImgIds()), sorted(truth.getCatIds())
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]

    def mean(values):
        values = values[values > -1]
        return float(values.mean()) if len(values) else -1.0

    return mean(precision[0]), mean(precision), [mean(precision[:, :, label]) for label in range(classes)]


def by_chance(count, classes, most, side=32):
    images = []
    for _ in range(count):
        objects, detections = [], []
        for _ in range(random.integers(0, most + 1)):
            # Quarters of pixels: sums and differences are exact.
            x, y = random.integers(0, 4 * side - 40, 2) / 4
            w, h = random.integers(8, 40, 2) / 4
            objects.append([int(random.integers(classes)), x, y, x + w, y + h])
        for label, x0, y0, x1, y1 in objects:
            for _ in range(random.integers(0, 4)):
                dx0, dy0, dx1, dy1 = random.integers(-3, 4, 4) / 4
                detections.append([label if random.uniform() < 0.8 else int(random.integers(classes)), random.integers(0, 20) / 20, x0 + dx0, y0 + dy0, max(x1 + dx1, x0 + dx0 + 0.5), max(y1 + dy1, y0 + dy0 + 0.5)])
        for _ in range(random.integers(0, 3)):
            x, y = random.integers(0, 100, 2) / 4
            detections.append([int(random.integers(classes)), random.integers(0, 20) / 20, x, y, x + 5, y + 4])
        images.append((detections, objects))
    return images


def suppressed(boxes, scores, labels, threshold):
    """Which are kept, by falling score: one after the other removes what it overlaps."""
    low, high = numpy.maximum(boxes[:, None, :2], boxes[None, :, :2]), numpy.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared, areas = (high - low).clip(0).prod(-1), (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    removes = (shared / (areas[:, None] + areas[None] - shared) > threshold) & (labels[:, None] == labels[None])
    alive, kept = numpy.ones(len(boxes), bool), []
    while alive.any():
        # argmax takes the first of equal scores.
        best = int(numpy.argmax(numpy.where(alive, scores, -1)))
        kept.append(best)
        alive &= ~removes[best]
        alive[best] = False
    return kept


box, near = [2.0, 2.0, 12.0, 12.0], [2.0, 2.0, 12.0, 10.0]
CASES = {
    "nothing found": ([([], [[0, *box]]), ([], [])], 2),
    "nothing there": ([([[0, 0.5, *box]], []), ([], [[1, *box]])], 2),
    "no object at all": ([([[0, 0.5, *box]], []), ([], [])], 2),
    "found exactly": ([([[0, 0.9, *box]], [[0, *box]])], 1),
    "duplicates": ([([[0, 0.9, *near], [0, 0.8, *box], [0, 0.7, *box]], [[0, *box]]), ([[0, 0.6, *box]], [[0, *box], [0, 20.0, 20.0, 30.0, 30.0]])], 1),
    "equal scores": ([([[0, 0.5, 20.0, 2.0, 30.0, 12.0], [0, 0.5, *box]], [[0, *box]]), ([[0, 0.5, *box], [0, 0.5, 20.0, 20.0, 24.0, 24.0]], [[0, *box]])], 1),
    "equal overlaps": ([([[0, 0.9, 4.0, 2.0, 12.0, 10.0], [0, 0.8, 2.0, 2.0, 10.0, 10.0]], [[0, 2.0, 2.0, 10.0, 10.0], [0, 6.0, 2.0, 14.0, 10.0]])], 1),
    "exactly at a threshold": ([([[0, 0.9, 2.0, 2.0, 12.0, 7.0]], [[0, *box]]), ([[0, 0.8, 2.0, 2.0, 12.0, 9.5]], [[0, *box]])], 1),
    "more than 100": ([([[0, 1 - i / 256, 1.0 + i % 20, 1.0, 9.0 + i % 20, 9.0] for i in range(130)] + [[0, 0.01, *box]], [[0, *box], [0, 1.0, 1.0, 9.0, 9.0]])], 1),
    "another class": ([([[1, 0.9, *box]], [[0, *box]])], 2),
    "by chance": (by_chance(40, 5, 6), 5),
    "one class by chance": (by_chance(30, 1, 12), 1),
}
cases = []
for name, (images, classes) in CASES.items():
    at50, overall, of_classes = evaluate(images, classes)
    print(f"{name}: {at50:.4f} {overall:.4f}")
    cases.append({
        "name": name, "classes": classes, "at50": at50, "overall": overall, "of_classes": of_classes,
        "images": [{"detections": [[float(n) for n in d] for d in detections], "objects": [[float(n) for n in o] for o in objects]} for detections, objects in images]})

suppressions = []
for count, classes, threshold in [(1, 1, 0.5), (30, 1, 0.5), (60, 3, 0.3), (60, 2, 0.7)]:
    corners, lengths = random.integers(0, 60, (count, 2)) / 4, random.integers(8, 60, (count, 2)) / 4
    boxes, labels = numpy.concatenate([corners, corners + lengths], 1), random.integers(0, classes, count)
    scores = random.integers(0, 20, count) / 20
    suppressions.append({
        "threshold": threshold, "detections": [[float(label), float(score), *map(float, b)] for label, score, b in zip(labels, scores, boxes)], "kept": suppressed(boxes, scores, labels, threshold)})
path = pathlib.Path(__file__).parent.parent / "Fixtures/average_precision.json"
path.write_text(json.dumps({"cases": cases, "suppressions": suppressions}) + "\n")
