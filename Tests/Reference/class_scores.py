"""Writes Tests/Fixtures/class_scores.json: measures of classifiers by scikit-learn and torchmetrics, McNemar's test by statsmodels, intervals by both,
for Tests/ReportsTests/ClassScoreTests.swift and PairedImagesTests.swift.

Made with scikit-learn 1.9.1, torchmetrics 1.9.0 and statsmodels 0.15.0.
"""
import json
import pathlib
import warnings

import numpy as np
import sklearn.metrics as metrics
import torch
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint
from torchmetrics.functional.classification import multiclass_calibration_error

warnings.filterwarnings("ignore")
random = np.random.default_rng(0)


def measures(logits, labels):
    """The measures of logits [n, c] and labels [n]; None where the library has no number."""
    logits32 = logits.astype(np.float32)
    z = logits32.astype(np.float64)
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    count, classes = z.shape
    predicted = z.argmax(1)
    present = np.unique(labels)
    areas = [metrics.roc_auc_score(labels == c, p[:, c]) if 0 < (labels == c).sum() < count else None for c in range(classes)]
    known = [area for area in areas if area is not None]
    each = lambda score: [float(x) for x in score(labels, predicted, average=None, labels=range(classes), zero_division=np.nan)]
    result = {
        "classes": classes, "labels": labels.tolist(), "logits": [float(x) for x in logits32.ravel()],
        "top": {k: float(metrics.top_k_accuracy_score(labels, z, k=k, labels=range(classes)) if classes > 2 else (predicted == labels).mean())
                for k in range(1, classes)},
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "macro_f1": metrics.f1_score(labels, predicted, average="macro", zero_division=0),
        "macro_precision": metrics.precision_score(labels, predicted, average="macro", zero_division=0),
        "precision": each(metrics.precision_score), "recall": each(metrics.recall_score),
        "f1": [float(x) for x in metrics.f1_score(labels, predicted, average=None, labels=range(classes), zero_division=np.nan)],
        "areas": areas, "auc": float(np.mean(known)) if known else None,
        "ece": float(multiclass_calibration_error(torch.tensor(p), torch.tensor(labels), classes, n_bins=15, norm="l1")),
        "brier": float(metrics.brier_score_loss(labels, p, labels=range(classes), scale_by_half=False)) if classes > 2
        else float(((p - np.eye(classes)[labels]) ** 2).sum(1).mean()),
        # Not log_loss, which takes no probability for less than 2e-16.
        "nll": float(torch.nn.functional.cross_entropy(torch.tensor(z), torch.tensor(labels))),
    }
    if len(present) == classes and classes > 2:
        assert abs(metrics.roc_auc_score(labels, p, multi_class="ovr", average="macro") - result["auc"]) < 1e-12
    return {key: [None if isinstance(x, float) and np.isnan(x) else x for x in value] if isinstance(value, list) else value for key, value in result.items()}


def case(count, classes, signal, scale, absent=(), silent=(), decimals=3):
    labels = random.integers(0, classes, count)
    for place in absent:
        labels[labels == place] = (place + 1) % classes
    logits = random.normal(0, 1, (count, classes)) + signal * np.eye(classes)[labels]
    logits[:, list(silent)] -= 50
    logits *= scale
    logits = np.round(logits, decimals)
    # Of equal logits of an image scikit-learn takes the last first.
    return measures(logits + (0.01 * np.arange(classes) if decimals == 0 else 0), labels)


cases = [
    case(120, 2, 1.0, 1.0), case(100, 5, 1.0, 2.0), case(150, 10, 1.5, 1.0), case(80, 7, 0.5, 3.0, absent=[2], silent=[4]),
    # Few different numbers, so that there are many ties between images.
    case(90, 3, 0.7, 1.0, decimals=0), case(12, 4, 2.0, 1.0, absent=[0, 1, 2]),
]

tests = []
for b, c in [(0, 0), (3, 0), (1, 5), (10, 14), (12, 12), (9, 16), (30, 11), (200, 240), (25, 25)]:
    exact = b + c < 25
    tests.append({"first": b, "second": c, "p": float(mcnemar([[50, b], [c, 7]], exact=exact, correction=True).pvalue) if b + c else 1.0})

intervals = []
for right, count in [(0, 5), (5, 5), (3, 10), (90, 100), (1, 1), (4998, 5000)]:
    low, high = proportion_confint(right, count, alpha=0.05, method="wilson")
    intervals.append({"right": right, "count": count, "interval": [float(low), float(high)]})

path = pathlib.Path(__file__).parent.parent / "Fixtures" / "class_scores.json"
path.write_text(json.dumps({"cases": cases, "mcnemar": tests, "wilson": intervals}) + "\n")
