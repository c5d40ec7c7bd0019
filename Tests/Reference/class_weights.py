"""Writes Tests/Fixtures/class_weights.json: PyTorch's weighted cross-entropy and scikit-learn's balanced weights, for Tests/TrainingTests/ClassWeightTests.swift."""
import json
import pathlib

import numpy
import torch
from sklearn.utils.class_weight import compute_class_weight

random = numpy.random.default_rng(0)
cases = []
for batch, classes, smoothing in [(8, 2, 0.0), (16, 5, 0.0), (16, 5, 0.1), (8, 17, 0.3)]:
    logits = random.normal(0, 2, (batch, classes)).astype(numpy.float32)
    labels = random.integers(0, classes, batch)
    weights = random.uniform(0.1, 5, classes).astype(numpy.float32)
    x = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(
        x, torch.tensor(labels), weight=torch.tensor(weights, dtype=torch.float64), label_smoothing=smoothing)
    loss.backward()
    cases.append({
        "logits": logits.astype(float).tolist(), "labels": labels.tolist(), "weights": weights.astype(float).tolist(), "smoothing": smoothing,
        "loss": loss.item(), "gradients": x.grad.tolist(),
    })

counts = [500, 299, 179, 107, 64]
labels = numpy.repeat(numpy.arange(len(counts)), counts)
balanced = compute_class_weight("balanced", classes=numpy.arange(len(counts)), y=labels)
path = pathlib.Path(__file__).parent.parent / "Fixtures/class_weights.json"
path.write_text(json.dumps({"cross_entropy": cases, "counts": counts, "balanced": balanced.tolist()}, indent=1) + "\n")
