"""Writes Tests/Fixtures/losses.json: losses of classification, of several labels, of regression and of distillation with their gradients, average precision, R²,
and temperatures, by PyTorch, scikit-learn and SciPy, for Tests/TrainingTests/LossTests.swift."""
import json
import pathlib

import numpy
import scipy.optimize
import torch
from sklearn.metrics import average_precision_score, f1_score, hinge_loss, r2_score
from sklearn.svm import LinearSVC
from torch.nn import functional

random = numpy.random.default_rng(18)


def numbers(array):
    return numpy.asarray(array, dtype=float).reshape(-1).tolist()


def with_gradient(function, array):
    x = torch.tensor(array, dtype=torch.float64, requires_grad=True)
    value = function(x)
    gradient, = torch.autograd.grad(value, x)
    return {"value": value.item(), "gradient": numbers(gradient)}


def one_versus_rest(z, labels, power):
    signs = 2 * functional.one_hot(labels, z.shape[1]) - 1
    return torch.clamp(1 - signs * z, min=0).pow(power).sum(1).mean()


def crammer_singer(z, labels, power):
    own = functional.one_hot(labels, z.shape[1]).bool()
    others = z.masked_fill(own, -torch.inf).max(1).values
    return torch.clamp(1 + others - z[own], min=0).pow(power).mean()


def focal(z, labels, gamma, weights):
    logarithm = functional.log_softmax(z, 1).gather(1, labels[:, None])[:, 0]
    w = torch.ones(z.shape[1], dtype=z.dtype) if weights is None else torch.tensor(weights)
    losses = -(1 - logarithm.exp()) ** gamma * logarithm
    return (w[labels] * losses).sum() / w[labels].sum()


def ordinal(z, labels):
    above = 1 - functional.softmax(z, 1).cumsum(1)[:, :-1]
    truth = (torch.arange(z.shape[1] - 1)[None] < labels[:, None]).to(z.dtype)
    return functional.binary_cross_entropy(above, truth, reduction="none").sum(1).mean()


classification = []
for count, classes, weighted in [(8, 3, False), (8, 10, True), (16, 2, False), (8, 5, True)]:
    logits = random.normal(0, 2, (count, classes)).astype(numpy.float32)
    labels = torch.tensor(random.integers(0, classes, count))
    weights = random.uniform(0.2, 4, classes).astype(numpy.float32).astype(float).tolist() if weighted else None
    losses = {
        "one_vs_rest": with_gradient(lambda z: one_versus_rest(z, labels, 1), logits),
        "squared_one_vs_rest": with_gradient(lambda z: one_versus_rest(z, labels, 2), logits),
        "crammer_singer": with_gradient(lambda z: crammer_singer(z, labels, 1), logits),
        "squared_crammer_singer": with_gradient(lambda z: crammer_singer(z, labels, 2), logits),
        "weston_watkins": with_gradient(lambda z: classes * functional.multi_margin_loss(z, labels), logits),
        "squared_weston_watkins": with_gradient(lambda z: classes * functional.multi_margin_loss(z, labels, p=2), logits),
        "focal": with_gradient(lambda z: focal(z, labels, 2, weights), logits),
        "ordinal": with_gradient(lambda z: ordinal(z, labels), logits),
    }
    if classes > 2:
        library = hinge_loss(labels, logits.astype(float), labels=range(classes))
        assert abs(library - losses["crammer_singer"]["value"]) < 1e-12
    classification.append({"count": count, "classes": classes, "logits": numbers(logits), "labels": labels.tolist(), "weights": weights, "losses": losses})

# The objective of LinearSVC at its own solution: C Σ losses + ½ |w|², the intercept counted among the weights.
x = random.normal(0, 1, (60, 4))
y = (x @ random.normal(0, 1, (4, 3)) + random.normal(0, 1, (60, 3))).argmax(1)
machines = []
for loss in ["hinge", "squared_hinge"]:
    machine = LinearSVC(C=0.5, loss=loss, tol=1e-10, max_iter=1_000_000, dual=True).fit(x, y)
    z = machine.decision_function(x)
    signs = 2 * numpy.eye(3)[y] - 1
    violations = numpy.maximum(0, 1 - signs * z) ** (1 if loss == "hinge" else 2)
    machines.append({
        "loss": loss, "logits": numbers(z), "labels": y.tolist(), "weights": numbers(machine.coef_), "bias": numbers(machine.intercept_), "features": numbers(x),
        "objective": float(0.5 * violations.sum() + 0.5 * (machine.coef_ ** 2).sum() + 0.5 * (machine.intercept_ ** 2).sum()),
    })

labels_ = []
for count, classes in [(12, 3), (40, 6)]:
    scores = numpy.round(random.normal(0, 2, (count, classes)), 1).astype(numpy.float32)
    truth = (random.uniform(size=(count, classes)) < 0.35).astype(int)
    truth[0] = 1
    predicted = scores > 0
    labels_.append({
        "count": count, "classes": classes, "scores": numbers(scores), "truth": truth.reshape(-1).tolist(),
        "loss": with_gradient(lambda z: functional.binary_cross_entropy_with_logits(z, torch.tensor(truth, dtype=torch.float64)), scores),
        "weights": (weights := numpy.round(1 + numpy.arange(classes) * 0.75, 2)).tolist(),
        "weighted": with_gradient(
            lambda z: functional.binary_cross_entropy_with_logits(z, torch.tensor(truth, dtype=torch.float64), pos_weight=torch.tensor(weights)), scores),
        "precisions": [float(average_precision_score(truth[:, label], scores[:, label])) for label in range(classes)],
        "mean": float(average_precision_score(truth, scores, average="macro")),
        "micro_f1": float(f1_score(truth, predicted, average="micro")), "exact": float((truth == predicted).all(1).mean()),
    })

regression = []
for count, length in [(10, 1), (12, 3)]:
    targets = random.normal(5, 3, (count, length)).astype(numpy.float32)
    outputs = random.normal(0, 1, (count, length)).astype(numpy.float32)
    means, deviations = random.normal(5, 1, length), random.uniform(1, 3, length)
    scaled = torch.tensor((targets - means) / deviations)
    estimates = outputs.astype(float) * deviations + means
    regression.append({
        "count": count, "length": length, "targets": numbers(targets), "outputs": numbers(outputs), "means": means.tolist(), "deviations": deviations.tolist(),
        "mse": with_gradient(lambda e: functional.mse_loss(e, scaled), outputs), "mae": with_gradient(lambda e: functional.l1_loss(e, scaled), outputs),
        "huber": with_gradient(lambda e: functional.huber_loss(e, scaled, delta=0.7), outputs),
        "absolute_error": float(abs(estimates - targets).mean()), "r2": float(r2_score(targets, estimates)),
    })

distillation = []
for count, classes, temperature in [(8, 4, 4.0), (8, 10, 1.0), (4, 3, 2.5)]:
    student = random.normal(0, 2, (count, classes)).astype(numpy.float32)
    teacher = random.normal(0, 3, (count, classes)).astype(numpy.float32)
    taught = functional.log_softmax(torch.tensor(teacher, dtype=torch.float64) / temperature, 1)
    distillation.append({
        "count": count, "classes": classes, "temperature": temperature, "student": numbers(student), "teacher": numbers(teacher),
        "loss": with_gradient(
            lambda z: temperature ** 2 * functional.kl_div(functional.log_softmax(z / temperature, 1), taught, reduction="batchmean", log_target=True), student),
    })

temperatures = []
for count, classes, factor in [(60, 3, 3.0), (200, 10, 0.4), (100, 2, 1.5)]:
    labels = random.integers(0, classes, count)
    logits = (factor * (random.normal(0, 1, (count, classes)) + 1.5 * numpy.eye(classes)[labels])).astype(numpy.float32)

    def likelihood(logarithm):
        z = torch.tensor(logits, dtype=torch.float64) * numpy.exp(-logarithm)
        return functional.cross_entropy(z, torch.tensor(labels)).item()

    best = scipy.optimize.minimize_scalar(likelihood, bounds=(-4, 4), method="bounded", options={"xatol": 1e-12})
    temperatures.append({
        "classes": classes, "logits": numbers(logits), "labels": labels.tolist(), "temperature": float(numpy.exp(best.x)), "before": likelihood(0), "after": float(best.fun)})

path = pathlib.Path(__file__).parent.parent / "Fixtures/losses.json"
path.write_text(json.dumps({
    "classification": classification, "machines": machines, "labels": labels_, "regression": regression, "distillation": distillation,
    "temperatures": temperatures}) + "\n")
